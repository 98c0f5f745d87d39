/** Contexts that are remembered; a guest that has more of them at once finds the oldest ones empty. */
const MAX_CONTEXTS = 8;

/** What is known of an address space, by its process-context identifier, while the processor is in another one. */
export class ProcessContext {
  /** Bits 11:0 of CR3 if CR4.PCIDE is set, else 0. */
  readonly pcid: number;
  /** Entries of the TLB that lie here meanwhile, each after its place; see `Tlb`. */
  entries: Int32Array = new Int32Array(0);
  /** Words of {@link entries} in use. */
  used = 0;
  /** Generation of its user code in the jump cache; 0: none of it is known. */
  jumps = 0;

  constructor(pcid: number) {
    this.pcid = pcid;
  }

  /** Adds room to {@link entries} until so many more words fit. */
  reserve(words: number): void {
    if (this.used + words <= this.entries.length) return;
    const larger = new Int32Array(Math.max(64 * words, 2 * this.entries.length));
    larger.set(this.entries);
    this.entries = larger;
  }

  forget(): void {
    this.used = 0;
    this.jumps = 0;
  }
}

/** Process contexts (SDM vol. 3 §4.10.1): the current one, and those of which something may still be known. */
export class ProcessContexts {
  current: ProcessContext = new ProcessContext(0);
  readonly #all: ProcessContext[] = [this.current];
  /** The one to give up next. */
  #oldest = 0;

  /** Nothing is known of any. @param pcid of the current one */
  reset(pcid: number): void {
    for (const context of this.#all) context.forget();
    this.select(pcid);
  }

  /** Makes a context the current one. */
  select(pcid: number): void {
    let context = this.find(pcid);
    if (!context) {
      context = new ProcessContext(pcid);
      if (this.#all.length < MAX_CONTEXTS) this.#all.push(context);
      else {
        if (this.#all[this.#oldest] === this.current) this.#oldest = (this.#oldest + 1) % MAX_CONTEXTS;
        this.#all[this.#oldest] = context;
        this.#oldest = (this.#oldest + 1) % MAX_CONTEXTS;
      }
    }
    this.current = context;
  }

  find(pcid: number): ProcessContext | undefined {
    for (const context of this.#all) if (context.pcid === pcid) return context;
    return undefined;
  }

  forgetOthers(): void {
    for (const context of this.#all) if (context !== this.current) context.forget();
  }

  /** The jump cache has forgotten all code. */
  forgetJumps(): void {
    for (const context of this.#all) context.jumps = 0;
  }
}
