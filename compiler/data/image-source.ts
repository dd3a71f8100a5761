/**
 * Images as files: one of them, a folder of them, or a folder of folders, one a class. The order is that of the names; nothing is
 * decoded before its turn.
 *
 * Folders as classes are a guess, and a wrong guess is an accuracy near zero that nobody can explain. So folders that have labels of
 * their own are refused (they are datasets, not classes), and a count that differs from the model's classes is a warning.
 */
import { type Diagnostic, fail } from '../../ir/diagnostics.ts';
import { basename, fileExists, join, listFolder, quotePath, readText } from './files.ts';
import { isImageName, readImage } from './images.ts';
import { parseLabelsCsv } from './labels.ts';
import { type DatasetOptions, sampleConverter, type Source } from './source.ts';

const mostLabelBytes = 2 ** 26;

/** A single image, without labels. */
export function openImage(path: string, options: DatasetOptions): Source {
  if (typeof options.labels === 'string') {
    fail(
      'data/labels-kind',
      `labels are given for the single image ${quotePath(path)}; a folder or an .npy can have them`,
    );
  }
  return imageSource(
    { contents: `image ${quotePath(path)}`, names: [basename(path)], pathOf: () => path },
    options,
  );
}

/** The images of a folder, or of the folders in it. */
export async function openFolder(folder: string, options: DatasetOptions): Promise<Source> {
  const { files, folders } = await listFolder(folder);
  const top = files.filter(isImageName);
  const csv = await labelsTable(folder, options);
  if (top.length > 0) return labelledImages(folder, top, csv, options);

  const images: string[] = [];
  const classes: number[] = [];
  for (const [index, name] of folders.entries()) {
    const { files: members } = await listFolder(join(folder, name));
    if (csv === undefined && members.includes('labels.csv')) {
      fail(
        'data/folder-of-datasets',
        `${quotePath(folder)} holds ${quotePath(name)}, which has labels of its own`,
        {
          help: `give one of them: ${quotePath(join(folder, name))}`,
        },
      );
    }
    for (const file of members.filter(isImageName)) {
      images.push(`${name}/${file}`);
      classes.push(index);
    }
  }
  if (images.length === 0) {
    fail('data/empty-folder', `${quotePath(folder)} holds no images`, {
      help: 'expected .jpg, .jpeg or .png files in it, or in one folder for each class',
    });
  }
  if (csv !== undefined) return labelledImages(folder, images, csv, options);
  const found = folderOfImages(folder, images);
  if (options.labels === false) return imageSource(found, options);
  const warnings = classCountWarnings(folder, folders.length, options.classes);
  return imageSource({ ...found, labels: classes, warnings }, options);
}

function classCountWarnings(folder: string, found: number, classes: number | undefined): Diagnostic[] {
  if (classes === undefined || classes === found) return [];
  return [
    {
      code: 'data/class-folders',
      severity: 'warning',
      message: `${quotePath(folder)} holds ${found} folders for the model's ${classes} classes; in sorted order they are taken as classes 0 to ${found - 1}`,
      help: 'if they stand for others, put a labels.csv with lines FOLDER/FILE,LABEL beside them',
    },
  ];
}

interface LabelsTable {
  readonly path: string;
  readonly labels: ReadonlyMap<string, number>;
}

async function labelsTable(folder: string, { labels }: DatasetOptions): Promise<LabelsTable | undefined> {
  if (labels === false) return undefined;
  const path = labels ?? join(folder, 'labels.csv');
  if (labels === undefined && !(await fileExists(path))) return undefined;
  if (/\.npy$/i.test(path)) {
    fail('data/labels-kind', `labels of a folder are a table, not an array: ${quotePath(path)}`, {
      help: 'give a .csv with lines FILE,LABEL',
    });
  }
  return { path, labels: parseLabelsCsv(await readText(path, mostLabelBytes), quotePath(path)) };
}

function labelledImages(
  folder: string,
  images: readonly string[],
  table: LabelsTable | undefined,
  options: DatasetOptions,
): Source {
  const found = folderOfImages(folder, images);
  if (table === undefined) return imageSource(found, options);
  const labels = images.map((name) => {
    const label = table.labels.get(name);
    if (label !== undefined) return label;
    return fail('data/label-missing', `${quotePath(table.path)} has no label for ${quotePath(name)}`, {
      help: `it labels ${table.labels.size} files; ${images.length} images are in ${quotePath(folder)}`,
    });
  });
  const unused = table.labels.size - images.length;
  const warnings: Diagnostic[] =
    unused === 0
      ? []
      : [
          {
            code: 'data/unused-labels',
            severity: 'warning',
            message: `${quotePath(table.path)} labels ${unused} files that are not in ${quotePath(folder)}`,
          },
        ];
  return imageSource({ ...found, labels, warnings }, options);
}

interface ImageFiles {
  readonly contents: string;
  readonly names: readonly string[];
  readonly pathOf: (name: string) => string;
  readonly labels?: readonly number[];
  readonly warnings?: readonly Diagnostic[];
}

function folderOfImages(folder: string, names: readonly string[]): ImageFiles {
  return { contents: `images in ${quotePath(folder)}`, names, pathOf: (name) => join(folder, name) };
}

function imageSource(
  { contents, names, pathOf, labels, warnings = [] }: ImageFiles,
  options: DatasetOptions,
): Source {
  const convert = sampleConverter(options);
  const read = async (index: number): Promise<Float32Array> => {
    const path = pathOf(names[index]!);
    return convert(await readImage(path), quotePath(path));
  };
  return {
    kind: 'images',
    total: names.length,
    contents,
    warnings,
    labels,
    nameOf: (index) => names[index]!,
    open: async () => ({ read, close: () => undefined }),
  };
}
