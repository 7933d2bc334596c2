/** Where the simulated manifests come from: what runs here, or pasted YAML. Output: manifests with the Deployment that each autoscaler scales. */
import { listDeployments, listHorizontalPodAutoscalers, type KubernetesObject } from '../api/kubernetes';
import { errorText } from '../api/http';
import { isAutoscaler, manifestOf, type Manifest } from './manifest';

/** Empty where nothing is autoscaled. */
export async function runningManifests(signal?: AbortSignal): Promise<Manifest[]> {
  const [autoscalers, deployments] = await Promise.all([listHorizontalPodAutoscalers(signal), listDeployments(signal)]);
  return (autoscalers ?? []).map((autoscaler) => manifestOf(autoscaler, deployments ?? []));
}

/** Every document of a YAML text, items of lists one by one. The library is loaded with the first text. */
export async function pastedManifests(text: string): Promise<Manifest[]> {
  const { parseAllDocuments } = await import('yaml');
  const objects = parseAllDocuments(text).flatMap((document, i): KubernetesObject[] => {
    const [problem] = document.errors;
    if (problem) throw new Error(`document ${i + 1}: ${problem.message}`);
    const object = document.toJS() as KubernetesObject | null;
    if (object === null || typeof object !== 'object') return [];
    return Array.isArray(object.items) ? (object.items as KubernetesObject[]) : [object];
  });
  const manifests = objects.filter(isAutoscaler).map((autoscaler) => manifestOf(autoscaler, objects));
  if (manifests.length === 0) throw new Error('no HorizontalPodAutoscaler and no ScaledObject among the documents');
  return manifests;
}

/** The text of an object, or why there is none. */
export async function yamlOf(object: unknown): Promise<string> {
  try {
    const { stringify } = await import('yaml');
    return stringify(object);
  } catch (error) {
    return `# not loaded: ${errorText(error)}\n`;
  }
}
