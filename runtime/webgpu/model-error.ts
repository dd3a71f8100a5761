/** What cannot be run here, in words for the person who can change it. */
export class ModelError extends Error {
  override readonly name = 'ModelError';
}
