import { MultiMap } from "../multimap.ts";
import type { KubeObject } from "./resource.ts";
import { keyOf } from "./resource.ts";

/** What controllers see of an informer's objects: they are frozen, and without managedFields. */
export interface ReadStore<T extends KubeObject> {
  get(namespace: string | undefined, name: string): T | undefined;
  getByKey(key: string): T | undefined;
  /** Of one namespace, or all; in no particular order. */
  list(namespace?: string): T[];
  /** Objects for which the index of that name gave `value`. */
  byIndex(index: string, value: string): T[];
  keys(): Iterable<string>;
  readonly size: number;
}

/** For each index the values that an object is found under. */
export type Indexes<T> = Record<string, (object: T) => readonly string[]>;

export class Store<T extends KubeObject> implements ReadStore<T> {
  readonly #objects = new Map<string, T>();
  readonly #byNamespace = new MultiMap<string, string>();
  readonly #indexes: Indexes<T>;
  /** Of each index the keys of the objects by their values. */
  readonly #found: Map<string, MultiMap<string, string>>;

  constructor(indexes: Indexes<T> = {}) {
    this.#indexes = indexes;
    this.#found = new Map(Object.keys(indexes).map((name) => [name, new MultiMap()]));
  }

  get size() {
    return this.#objects.size;
  }
  get(namespace: string | undefined, name: string) {
    return this.#objects.get(`${namespace ?? ""}/${name}`);
  }
  getByKey(key: string) {
    return this.#objects.get(key);
  }
  keys() {
    return this.#objects.keys();
  }
  list(namespace?: string): T[] {
    if (namespace === undefined) return [...this.#objects.values()];
    return this.#read(this.#byNamespace.get(namespace));
  }
  byIndex(index: string, value: string): T[] {
    const values = this.#found.get(index);
    if (values === undefined) throw new Error(`there is no index "${index}"`);
    return this.#read(values.get(value));
  }

  /** Puts the object in; gives what was there before. */
  set(object: T): T | undefined {
    const key = keyOf(object);
    const previous = this.#objects.get(key);
    if (previous !== undefined) this.#unindex(key, previous);
    this.#objects.set(key, object);
    this.#byNamespace.add(object.metadata.namespace ?? "", key);
    for (const [name, valuesOf] of Object.entries(this.#indexes))
      for (const value of valuesOf(object)) this.#found.get(name)!.add(value, key);
    return previous;
  }

  delete(key: string): T | undefined {
    const previous = this.#objects.get(key);
    if (previous === undefined) return undefined;
    this.#unindex(key, previous);
    this.#objects.delete(key);
    this.#byNamespace.delete(previous.metadata.namespace ?? "", key);
    return previous;
  }

  #unindex(key: string, object: T) {
    for (const [name, valuesOf] of Object.entries(this.#indexes))
      for (const value of valuesOf(object)) this.#found.get(name)!.delete(value, key);
  }
  #read(keys: string[]): T[] {
    return keys.map((key) => this.#objects.get(key)!);
  }
}
