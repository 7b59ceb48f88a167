/** Does one step of a backup's or schedule's plan; each is conditional on what was observed. */
import { assertNever } from "../../lib/assert.ts";
import { type KubeApi, orUndefined, resourceOf, resources } from "../runtime/index.ts";
import type { KubeObject } from "../types/index.ts";
import { annotationAdopted, finalizer } from "./names.ts";
import type { Step } from "./plan.ts";

/** Throws KubeError. `owner` is the object the pass is over, as it is now. */
export async function act(
  step: Step,
  owner: KubeObject,
  api: KubeApi,
  signal: AbortSignal,
): Promise<void> {
  const { namespace } = owner.metadata;
  switch (step.kind) {
    case "create":
      await api.create(resourceOf(step.object.kind), step.object, signal);
      return;
    case "apply": {
      const { object, uid } = step;
      const metadata = uid === undefined ? object.metadata : { ...object.metadata, uid };
      // A new object must not take fields over from a foreign one made in this moment.
      const options = { force: uid !== undefined, signal };
      await api.apply(resourceOf(object.kind), { ...object, metadata }, options);
      return;
    }
    case "delete": {
      const propagation = step.target === "Job" ? "Foreground" : "Background";
      const options = { uid: step.uid, propagation, signal } as const;
      await orUndefined(api.delete(resourceOf(step.target), namespace, step.name, options));
      return;
    }
    case "hold": {
      const { name, resourceVersion, finalizers = [] } = owner.metadata;
      const others = finalizers.filter((f) => f !== finalizer);
      const wanted = step.held ? [...others, finalizer] : others;
      const body = { metadata: { resourceVersion, finalizers: wanted } };
      await orUndefined(api.patch(resourceOf(owner.kind), namespace, name, body, signal));
      return;
    }
    case "adopted": {
      const body = { metadata: { uid: step.uid, annotations: { [annotationAdopted]: "true" } } };
      await orUndefined(api.patch(resources.jobs, namespace, step.job, body, signal));
      return;
    }
    default:
      assertNever(step);
  }
}
