import { MultiMap } from "../../multimap.ts";
import type { KubeObject } from "../resource.ts";
import { keyOf } from "../resource.ts";

/**
 * Read access to an informer's objects, for controllers. The objects are frozen and have no managedFields.
 *
 * Reading costs no request, so controllers look things up here and not at the API server. In return the store is a little
 * behind: an object that was just written may not be in it yet (see `Recent`).
 */
export interface ReadStore<T extends KubeObject> {
  get(namespace: string | undefined, name: string): T | undefined;
  getByKey(key: string): T | undefined;
  /** The objects of one namespace, or of all namespaces, in no particular order. */
  list(namespace?: string): T[];
  /** The objects for which the index of that name returned `value`. */
  byIndex(index: string, value: string): T[];
  keys(): Iterable<string>;
  readonly size: number;
}

/**
 * Index functions by name. Each function returns the values under which an object can be found, such as the names of the
 * Secrets that the object refers to. An index answers "which objects refer to this Secret?" without searching all objects at
 * each event.
 */
export type Indexes<T> = Record<string, (object: T) => readonly string[]>;

/** The objects of one informer, found by key, by namespace and by index. Only the informer writes to the store. */
export class Store<T extends KubeObject> implements ReadStore<T> {
  readonly #objects = new Map<string, T>();
  readonly #byNamespace = new MultiMap<string, string>();
  readonly #indexes: Indexes<T>;
  /** For each index, a map from an index value to the keys of the objects that have the value. */
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
    // An index that was not declared is an error: an empty answer would mean that nothing refers to the value, and whoever
    // asked would act on that.
    if (values === undefined) throw new Error(`the store has no index "${index}"`);
    return this.#read(values.get(value));
  }

  /** Stores the object in place of an earlier object of the same key, and returns the earlier object. */
  set(object: T): T | undefined {
    const key = keyOf(object);
    const previous = this.#objects.get(key);
    // The index values of the earlier object are computed again, and are the same because the object is frozen. Keeping a list
    // of values per object would cost memory.
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
