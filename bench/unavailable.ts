/** Why a contestant does not take part: something is not installed, or does not do what was asked. It is printed, and the others run. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}
