/** The description of a WGSL program: `program` in the manifest of an artifact, as the compiler writes it and this runtime reads it. */
import type { ImageRule } from '../image/placement.ts';

/** How a tensor lies in a buffer: strides in elements by logical axis, elements of `bits` bits, packed low bits first. */
interface Layout {
  readonly strides: readonly number[];
  readonly bits: number;
  readonly bytes: number;
}

/** An input as it goes to the device. */
export interface HostUpload extends Layout {
  /** Index of the input. */
  readonly input: number;
  readonly tensor: string;
  readonly buffer: number;
  readonly shape: readonly number[];
  readonly storage: string;
  /** One scale, or one for each index of `axis`. Absent where the program takes integers. */
  readonly quantize?: {
    readonly scale: readonly number[];
    readonly axis: number;
    readonly zero_point: number;
  };
}

/** What is done to an output after the last dispatch. */
export type HostStage =
  | {
      readonly op: 'dequantize';
      readonly scale: readonly number[];
      readonly axis: number;
      readonly zero_point: number;
      readonly shape: readonly number[];
    }
  | { readonly op: 'softmax'; readonly axis: number; readonly shape: readonly number[] };

export interface HostOutput extends Layout {
  readonly name: string;
  readonly shape: readonly number[];
  /** Index of the input that is returned as it came, where that is so. */
  readonly input?: number;
  readonly tensor: string;
  readonly buffer: number;
  readonly storage: string;
  readonly stages: readonly HostStage[];
}

/** How images of any size become the one input: two kernels, bound to (geometry, pixels, between) and (geometry, between, tables, input). */
export interface ImageEntry {
  readonly width: number;
  readonly height: number;
  readonly columns: number;
  readonly rows: number;
  /** Pixels of either kernel's workgroup. */
  readonly workgroup: readonly [columns: number, rows: number];
  /** In the weights: for each channel and byte the field of the pixel's word. */
  readonly tables: readonly [offset: number, bytes: number];
}

export type KernelFile = 'kernels' | 'subgroups';

/** A kernel by its number, and how many workgroups of it. */
export type KernelChoice = readonly [kernel: number, x: number, y: number, z: number];

/** Which kernels were quickest on one adapter. */
export interface Tuning {
  readonly format: 'qc-tuning/1';
  /** Of what program: a digest of its kernels. */
  readonly program: string;
  /** On what adapter, in the words of WebGPU. */
  readonly adapter: string;
  /** For each dispatch, which of its choices. */
  readonly choices: readonly number[];
}

/** `program` of a WGSL artifact's manifest. */
export interface WgslProgram {
  readonly format: 'qc-wgsl/2';
  readonly files: {
    readonly kernels: string;
    /** More kernels, for devices with subgroups. */
    readonly subgroups: string;
    readonly fallbacks: string;
    /** Compressed by gzip. */
    readonly weights: string;
  };
  /** Of the weights as a device holds them. */
  readonly weight_bytes: number;
  /** What a device must have. */
  readonly limits: {
    readonly storage_buffers: number;
    readonly binding_bytes: number;
    readonly buffer_bytes: number;
    readonly invocations: number;
  };
  readonly forms: readonly {
    /** The entry point in its file. */
    readonly name: string;
    readonly file: KernelFile;
    /** Names of the numbers that the text leaves open. */
    readonly constants: readonly string[];
    readonly access: readonly ('read' | 'read_write')[];
  }[];
  /** A kernel is a form and its numbers: [form, ...numbers]. */
  readonly kernels: readonly (readonly number[])[];
  /** Bytes of buffers 1, 2, ...; buffer 0 holds the weights. */
  readonly buffers: readonly number[];
  readonly dispatches: readonly {
    readonly step: string;
    /** Kernels that make the same bits of the same bindings. The first runs on every device, those of the file for subgroups where there are any. */
    readonly choices: readonly KernelChoice[];
    readonly bindings: readonly (readonly [buffer: number, offset: number, bytes: number])[];
    /** Tensors that are finished after it. */
    readonly makes: readonly string[];
  }[];
  readonly tensors: readonly { readonly name: string; readonly buffer: number; readonly bytes: number }[];
  readonly uploads: readonly HostUpload[];
  readonly outputs: readonly HostOutput[];
  readonly image?: ImageEntry;
  /** The family of the adapter that `qc tune` chose kernels on: maker and kind. */
  readonly tuned_on?: string;
}

/** What the runtime reads of `manifest.json`. */
export interface ArtifactManifest {
  readonly name: string;
  readonly target: string;
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly class_names?: readonly string[];
  readonly preprocess: ImageRule | null;
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[];
  readonly program?: WgslProgram;
}
