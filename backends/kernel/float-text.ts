/** The shortest decimal that reads back as the same f32, in the spelling C and WGSL share: `0.1f`, `2.0f`, `1e-7f`. */
export function floatText(value: number): string {
  let text = String(value);
  for (let digits = 1; digits <= 9; digits += 1) {
    const candidate = Number(value.toPrecision(digits));
    if (Object.is(Math.fround(candidate), value)) {
      text = Object.is(candidate, -0) ? '-0' : String(candidate);
      break;
    }
  }
  return `${/[.e]/.test(text) ? text : `${text}.0`}f`;
}
