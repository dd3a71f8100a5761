/**
 * Which names and texts may reach generated source. A model is untrusted and its names end up in identifiers and comments,
 * so both gates are here: an identifier is `[A-Za-z][A-Za-z0-9_]*` and no word of any target language; comment text is
 * printable ASCII that cannot end the comment it stands in, in C or in WGSL, whatever the line ending or trigraph.
 *
 * A name must be free in *every* language: a kernel is then never printable in one and not in another.
 */
import { KernelError } from './kernel-error.ts';

const words = (text: string): readonly string[] => text.split(/\s+/).filter((word) => word !== '');

const reservedInC = words(`
  auto break case char const continue default do double else enum extern float for goto if inline int long register
  restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
  bool true false asm typeof alignas alignof static_assert thread_local nullptr constexpr complex imaginary noreturn
  int8_t uint8_t int16_t uint16_t int32_t uint32_t int64_t uint64_t size_t ptrdiff_t main errno assert NULL
  INT32_MIN INT64_C memcpy memset linux unix`);

const reservedInCpp = words(`
  and and_eq bitand bitor catch class compl concept const_cast decltype delete dynamic_cast explicit export friend mutable
  namespace new noexcept not not_eq operator or or_eq private protected public reinterpret_cast requires static_cast
  template this throw try typeid typename using virtual wchar_t xor xor_eq`);

const reservedInWgsl = words(`
  alias break case const const_assert continue continuing default diagnostic discard else enable false fn for if let loop
  override requires return struct switch true var while
  NULL Self abstract active alignas alignof as asm asm_fragment async attribute auto await become cast catch class co_await
  co_return co_yield coherent column_major common compile compile_fragment concept const_cast consteval constexpr constinit
  crate debugger decltype delete demote demote_to_helper do dynamic_cast enum explicit export extends extern external
  fallthrough filter final finally friend from fxgroup get goto groupshared highp impl implements import inline instanceof
  interface layout lowp macro macro_rules match mediump meta mod module move mut mutable namespace new nil noexcept
  noinline nointerpolation non_coherent noncoherent noperspective null nullptr of operator package packoffset
  partition pass patch pixelfragment precise precision premerge priv protected pub public readonly ref regardless register
  reinterpret_cast require resource restrict self set shared sizeof smooth snorm static static_assert static_cast std
  subroutine super target template this thread_local throw trait try type typedef typeid typename typeof union unless unorm
  unsafe unsized use using varying virtual volatile wgsl where with writeonly yield
  i32 u32 f32 f16 bool vec2 vec3 vec4 vec2i vec3i vec4i vec2u vec3u vec4u vec2f vec3f vec4f array atomic ptr sampler
  i8 u8 i16 u16 i64`);

const builtinNames = words(`
  abs min max clamp select floor ceil round trunc exp sqrt rintf expf sqrtf floorf fabsf bitcast dot extractBits
  workgroupBarrier storageBarrier dot4I8Packed dot4U8Packed unpack4xI8 unpack4xU8 pack4xI8 pack4xU8 pack4xI8Clamp
  pack4xU8Clamp global_id local_id workgroup_id num_workgroups scalars Scalars
  load_word opaque`);

const reserved: ReadonlySet<string> = new Set([
  ...reservedInC,
  ...reservedInCpp,
  ...reservedInWgsl,
  ...builtinNames,
]);

/** Longest identifier C11 guarantees to tell apart within a file. */
const longest = 63;

/** Rows that travel with their definition are named after their instruction set or register. */
const definedRows = /^(neon|simd)_|_m(256|512)$/;

/** A name that starts with an underscore is the implementation's: no identifier can meet it. */
export const isReserved = (name: string): boolean =>
  reserved.has(name) || name.startsWith('_') || definedRows.test(name);

const isIdentifier = (name: string): boolean =>
  /^[A-Za-z][A-Za-z0-9_]*$/.test(name) && name.length <= longest && !name.includes('__') && !isReserved(name);

/**
 * Returns `name` when it may stand as an identifier in every target language; throws otherwise.
 * `__` is refused: C reserves it everywhere for C++'s sake, WGSL at the start.
 */
export function identifier(name: string): string {
  if (isIdentifier(name)) return name;
  throw new KernelError(
    `${JSON.stringify(name)} is no identifier: 1 to ${String(longest)} of [A-Za-z0-9_], a letter first, no "__", no reserved word`,
  );
}

/**
 * The nearest identifier to any text, for names that come from a model: `layer1.0/conv:0` becomes `layer1_0_conv_0`.
 * Different texts may meet in one identifier; `Names` tells them apart.
 */
export function toIdentifier(text: string): string {
  const plain = text
    .slice(0, 1024)
    .replace(/[^A-Za-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .slice(0, longest - 15)
    .replace(/_+$/, '');
  if (isIdentifier(plain)) return plain;
  return plain === '' ? 'unnamed' : `n_${plain}`;
}

/**
 * Text that may stand in a comment of either language: one line of printable ASCII; all else as `\u{hex}`. What could end
 * or join lines or comments is broken up: comment marks, trigraphs, a backslash at the end.
 */
export function commentText(text: string): string {
  return Array.from(text, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code >= 0x20 && code < 0x7f ? character : `\\u{${code.toString(16)}}`;
  })
    .join('')
    .replace(/\*(?=\/)|\/(?=\*)|\?(?=\?)/g, '$& ')
    .replace(/\\$/, '\\ .');
}

/** Hands out identifiers that do not meet, in nested scopes: an inner scope avoids the names of all outer ones. */
export class Names {
  readonly #taken = new Set<string>();
  readonly #outer: Names | undefined;

  constructor(outer?: Names) {
    this.#outer = outer;
  }

  /** Takes exactly this name; throws when it is taken or no identifier. */
  claim(name: string): string {
    if (this.#has(identifier(name))) throw new KernelError(`two things are named ${name}`);
    this.#taken.add(name);
    return name;
  }

  /** Takes `base`, or `base_2`, `base_3`... when taken. */
  fresh(base: string): string {
    let name = identifier(base);
    for (let count = 2; this.#has(name); count += 1) name = `${base.replace(/_+$/, '')}_${String(count)}`;
    this.#taken.add(name);
    return name;
  }

  #has(name: string): boolean {
    if (this.#taken.has(name)) return true;
    return this.#outer !== undefined && this.#outer.#has(name);
  }
}
