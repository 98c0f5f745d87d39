import { CONTEXTS } from './state.ts';

/** What is known of an address space, by its process-context identifier, while the processor is in another one. */
export class ProcessContext {
  /** Bits 11:0 of CR3 if CR4.PCIDE is set, else 0. */
  readonly pcid: number;
  /** Offset in the memory where its entries of the TLB lie meanwhile; see `CONTEXTS`. */
  readonly area: number;
  /** How many of them. */
  used = 0;
  /** `Tlb.protections` when they were put there. */
  protections = 0;
  /** Generation of its user code in the jump cache; 0: none of it is known. */
  jumps = 0;

  constructor(pcid: number, area: number) {
    this.pcid = pcid;
    this.area = area;
  }

  forget(): void {
    this.used = 0;
    this.jumps = 0;
  }
}

/**
 * Process contexts (SDM vol. 3 §4.10.1): the current one, and those of which something may still be known. A guest that
 * has more than `CONTEXTS.count` of them at once finds the oldest ones empty.
 */
export class ProcessContexts {
  current: ProcessContext = new ProcessContext(0, CONTEXTS.base);
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
      const all = this.#all;
      let n = all.length;
      if (n === CONTEXTS.count) {
        if (all[this.#oldest] === this.current) this.#oldest = (this.#oldest + 1) % n;
        n = this.#oldest;
        this.#oldest = (n + 1) % all.length;
      }
      context = new ProcessContext(pcid, CONTEXTS.base + n * CONTEXTS.size);
      all[n] = context;
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
