/**
 * Globs on names: `*` any text, `?` one character, `[a-c]` one of a class, `[!a-c]` one outside it. Everything else stands for itself.
 *
 * Matching walks pattern and name side by side and, at a mismatch, lets the last `*` take one more character: time is bounded by the product of
 * the two lengths whatever the pattern, which a translation to a regular expression would not promise.
 */
type Piece =
  { readonly kind: 'any' } | { readonly kind: 'one'; readonly matches: (character: string) => boolean };

/** Whether the glob matches the whole of the text. Throws a RangeError for a class that is empty or runs backwards. */
export function matchGlob(pattern: string, text: string): boolean {
  return matchPieces(piecesOf(pattern), Array.from(text));
}

/** What is wrong with a pattern, in words, or undefined. */
export function globProblem(pattern: string): string | undefined {
  try {
    piecesOf(pattern);
    return undefined;
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}

function piecesOf(pattern: string): Piece[] {
  const characters = Array.from(pattern);
  const pieces: Piece[] = [];
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i]!;
    if (character === '*') pieces.push({ kind: 'any' });
    else if (character === '?') pieces.push({ kind: 'one', matches: () => true });
    else if (character === '[') {
      const end = characters.indexOf(']', i + 1);
      if (end < 0) throw new RangeError(`the class in ${pattern} is not closed`);
      pieces.push({ kind: 'one', matches: classOf(characters.slice(i + 1, end), pattern) });
      i = end;
    } else pieces.push({ kind: 'one', matches: (other) => other === character });
  }
  return pieces;
}

function classOf(body: readonly string[], pattern: string): (character: string) => boolean {
  const negated = body[0] === '!';
  const items = negated ? body.slice(1) : body;
  if (items.length === 0) throw new RangeError(`a class in ${pattern} is empty`);
  const ranges: [low: number, high: number][] = [];
  for (let i = 0; i < items.length; i++) {
    const low = items[i]!.codePointAt(0)!;
    const isRange = items[i + 1] === '-' && i + 2 < items.length;
    const high = isRange ? items[i + 2]!.codePointAt(0)! : low;
    if (high < low) throw new RangeError(`a range in ${pattern} runs backwards`);
    ranges.push([low, high]);
    if (isRange) i += 2;
  }
  return (character) => {
    const code = character.codePointAt(0)!;
    return ranges.some(([low, high]) => low <= code && code <= high) !== negated;
  };
}

function matchPieces(pieces: readonly Piece[], text: readonly string[]): boolean {
  let p = 0;
  let t = 0;
  let star: { readonly piece: number; taken: number } | undefined;
  while (t < text.length) {
    const piece = pieces[p];
    if (piece?.kind === 'any') {
      star = { piece: p++, taken: t };
    } else if (piece?.matches(text[t]!) === true) {
      p++;
      t++;
    } else if (star !== undefined) {
      p = star.piece + 1;
      t = ++star.taken;
    } else {
      return false;
    }
  }
  return pieces.slice(p).every((piece) => piece.kind === 'any');
}
