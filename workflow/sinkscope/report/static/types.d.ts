// Types that the scripts share, for TypeScript's checker; nothing of this is in the report.

/** The values that a page gives its scripts, in the element `page-data`. */
interface PageData {
  model?: string;
  first_document?: string | null;
  all_documents?: string;
  all_models?: string;
  maps?: MapsOfPage;
  head_maps?: Record<string, string>; // by model, the document whose maps of heads its page opens first
  n_see?: number; // keys that fewer queries see are not judged
}

interface MapEntry {
  document: string;
  n_tokens: number;
  n_cells: number;
  layers: number[];
  n_heads: number;
  heads: [number, number][]; // with a full map
  every_head: boolean; // whether the others have a coarse one
}

interface MapsOfPage {
  folder: string;
  models: Record<string, MapEntry[]>;
  colours: string[];
  class_colours: Record<string, string>;
}

/** A data file of a document (sinkscope.atlas.maps). Without maps: they were left out. */
interface MapData {
  tokens: string[];
  texts: string[];
  classes: string[];
  first: number[];
  maps?: Record<string, string>;
  received: string;
  sinks: number[][];
  causal: boolean;
}

/** The coarse maps of a document's heads (sinkscope.atlas.maps). */
interface HeadsData {
  first: number[];
  packed: string;
}

interface VegaView {
  signal(name: string): unknown;
  signal(name: string, value: unknown): VegaView;
  addEventListener(type: "click", listener: (event: Event, item: { datum?: Record<string, any> } | null) => void): void;
  runAsync(): Promise<VegaView>;
  finalize(): void;
  toSVG(): Promise<string>;
  toCanvas(scale: number): Promise<HTMLCanvasElement>;
}

interface VegaLiteSpec {
  [name: string]: any;
  datasets: Record<string, string>;
  params: { name: string; value?: unknown; bind?: { options: string[] } }[];
  concat?: VegaLiteSpec[];
  vconcat?: VegaLiteSpec[];
  hconcat?: VegaLiteSpec[];
}

/** A part of Vega's dataflow, such as an axis or a group of marks. */
interface VegaOperator {
  run(this: VegaOperator, pulse: unknown): any;
}

declare const vega: Record<"Operator" | "Transform", { prototype: VegaOperator }> & {
  SVGRenderer: { prototype: { renderAsync(scene: unknown): Promise<unknown> } };
};
declare const vegaLite: { compile(spec: VegaLiteSpec): { spec: object } };
declare const vegaEmbed: (at: HTMLElement, spec: object, options: object) => Promise<{ view: VegaView }>;
