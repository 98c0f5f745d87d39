import type { KeyboardInput, KeyboardSink, KeyCode } from '@mainboard/core';

/** A keyboard under a test's fingers. Keys that no device listens to go nowhere. */
export class FakeKeyboard implements KeyboardInput {
  #sink: KeyboardSink | undefined;

  attach(sink: KeyboardSink): void {
    this.#sink = sink;
  }

  /** Puts the keys down, one after the other. */
  press(...codes: readonly KeyCode[]): void {
    for (const code of codes) this.#sink?.key(code, true);
  }

  /** Lets them go, one after the other. */
  release(...codes: readonly KeyCode[]): void {
    for (const code of codes) this.#sink?.key(code, false);
  }
}
