/** What a front looks like outside: names of a hostile model stay text in HTML, SVG and CSV. */
import { describe, expect, it } from '@jest/globals';
import { type Front, frontCsv, frontFormat, type FrontPoint } from './front.ts';
import { frontPage } from './page.ts';
import { frontPicture } from './picture.ts';

const hostile = `</title></style><script>alert(1)</script><img onerror=alert(1)>"'&\u202e\u0007`;

function point(id: string, cost: number, loss: number, bits: number): FrontPoint {
  return {
    id,
    cost,
    loss,
    loss_is: 'measured',
    predicted_loss: loss,
    measured_loss: loss,
    agreement: 99,
    sqnr_db: 20,
    cost_ratio_to_bfloat16: cost / 400,
    cost_ratio_to_widest: cost / 100,
    compute_cost: cost,
    compute_cost_linear: cost,
    memory_cost: cost,
    layers: [hostile, '=1+1', 'conv,2'].map((name) => ({
      name,
      op: 'conv2d',
      weight_bits: bits,
      activation_bits: 8,
    })),
  };
}

const front: Front = {
  format: frontFormat,
  model: {
    name: hostile,
    digest: 'abc',
    layers: [hostile, '=1+1', 'conv,2'].map((name) => ({ name, op: 'conv2d', macs: 10, weights: 5 })),
  },
  cost_model: 'compute_cost',
  cost_unit: 'MAC·bit²',
  cost_source: 'counted',
  bfloat16_cost: 400,
  loss: 'kl',
  choices: ['w8a8', 'w4a8'],
  round: 'gptq',
  calibration: {
    source: hostile,
    method: 'mse',
    preprocess: hostile,
    samples: 4,
    measured_on: 2,
    digest: 'd',
  },
  complete: true,
  knapsack_gap: 0,
  points: [point('p1', 50, 0.1, 4), point('p2', 100, 0, 8)],
  dominated: [point('d1', 90, 0.2, 4)],
  baselines: [{ ...point('all-8', 100, 0, 8), title: 'all layers at 8 bits', on_front: true }],
  sensitivities: [{ layers: [hostile], precision: 'w4a8', added_loss: 0.1, kl: 0.1, agreement: 99 }],
  predicted_front: { costs: [50, 100], losses: [0.1, 0] },
};

describe('the page', () => {
  const page = frontPage(front);

  it('has no markup but its own', () => {
    expect(page).not.toContain('<script>alert');
    expect(/<img/.exec(page)).toBeNull();
    expect(page).not.toContain('\u202e');
    expect(page).not.toContain('\u0007');
    expect(page.match(/<script>/g)).toHaveLength(1);
    // Every tag is closed: nothing broke out of an attribute.
    for (const tag of [
      'html',
      'body',
      'main',
      'section',
      'article',
      'table',
      'svg',
      'style',
      'script',
      'a',
      'g',
    ]) {
      const opened = page.match(new RegExp(`<${tag}[ >]`, 'g'))?.length ?? 0;
      expect([tag, page.match(new RegExp(`</${tag}>`, 'g'))?.length ?? 0]).toEqual([tag, opened]);
    }
  });

  it('loads nothing', () => {
    expect(page).toContain("default-src 'none'");
    expect(/\bsrc(?:set)?=|@import|url\(/.exec(page)).toBeNull();
    expect(page.match(/https?:\/\/[^"' )]+/g)).toEqual(['http://www.w3.org/2000/svg']);
  });

  it('shows every point, baseline and layer', () => {
    for (const id of ['p1', 'p2', 'd1', 'all-8']) {
      expect(page).toContain(`id="card-${id}"`);
      expect(page).toContain(`<a class="spot" href="#card-${id}"`);
    }
    expect(page).toContain('conv,2: weights of 4 bits, activations of 8');
    expect(page).toContain('the float model: loss 0 at 400');
  });

  it('says so where the search was stopped', () => {
    expect(page).not.toContain('stopped before it was done');
    expect(frontPage({ ...front, complete: false })).toContain('stopped before it was done');
  });
});

describe('the picture alone', () => {
  it('is XML that stands by itself', () => {
    const picture = frontPicture(front, { linked: false });
    expect(picture).toMatch(/^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    expect(picture).not.toContain('<script');
    expect(picture).not.toContain('href');
    expect(picture).not.toMatch(/&(?!amp;|lt;|gt;|quot;|#39;)/);
  });

  it.each([
    ['one point', [front.points[0]!], []],
    ['no loss at all', [front.points[1]!], []],
    ['nothing', [], []],
  ])('draws a front of %s', (_, points, dominated) => {
    const picture = frontPicture({ ...front, points, dominated, baselines: [] }, { linked: false });
    expect(picture).not.toMatch(/NaN|Infinity/);
  });
});

describe('the table for a spreadsheet', () => {
  it('has a row a point and a column a layer, quoted where it must be, and no formula', () => {
    const [head, ...rows] = frontCsv(front).trimEnd().split('\r\n');
    expect(head).toContain(`"${hostile.replaceAll('"', '""')}",'=1+1,"conv,2"`);
    expect(rows.map((row) => row.split(',').slice(0, 5).join(','))).toEqual([
      'point,p1,50,0.1,measured',
      'point,p2,100,0,measured',
      'baseline,all-8,100,0,measured',
      'dominated,d1,90,0.2,measured',
    ]);
    expect(rows[0]).toMatch(/,w4a8,w4a8,w4a8$/);
  });
});
