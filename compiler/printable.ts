/**
 * Text for terminals. Names come from models and models from anywhere: control characters, which could repaint a terminal or fake a line,
 * are shown by their codes. Line breaks survive only where the text is ours.
 */
const controls = /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** One line: every control character as `\xNN`. */
export function printable(text: string): string {
  return text.replace(controls, escape);
}

/** Several lines: the line breaks and tabs stay. */
export function printableLines(text: string): string {
  return text.replace(controls, (character) =>
    character === '\n' || character === '\t' ? character : escape(character),
  );
}

function escape(character: string): string {
  const code = character.charCodeAt(0).toString(16);
  return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u${code.padStart(4, '0')}`;
}

const thousand = /\B(?=(\d{3})+(?!\d))/g;

/** 1 814 073 344: groups of three, by a thin separator that copies as a space. */
export function grouped(count: number): string {
  return String(count).replace(thousand, ' ');
}

/** Three significant digits with a unit of ten to the third: 1.81 G. */
export function scaled(value: number): string {
  const units = ['', ' k', ' M', ' G', ' T', ' P'];
  let power = 0;
  let rest = value;
  while (Math.abs(rest) >= 999.5 && power < units.length - 1) {
    rest /= 1000;
    power += 1;
  }
  const text = power === 0 && Number.isInteger(rest) ? String(rest) : rest.toPrecision(3);
  return `${text}${units[power]!}`;
}

export function bytesText(bytes: number): string {
  return `${scaled(bytes)}B`.replace(/(\d)B$/, '$1 B');
}
