/** The autoscaler as the sliders left it, as YAML to copy. */
import { useEffect, useState } from 'react';
import { asWritten, type Manifest } from './manifest';
import { yamlOf } from './source';

export function ResultYaml({ manifest, changed }: { manifest: Manifest; changed: boolean }) {
  const [text, setText] = useState('');
  const [copied, setCopied] = useState<'no' | 'yes' | 'failed'>('no');
  const object = JSON.stringify(asWritten(manifest.autoscaler));
  useEffect(() => {
    let current = true;
    void yamlOf(JSON.parse(object)).then((yaml) => current && setText(yaml));
    setCopied('no');
    return () => {
      current = false;
    };
  }, [object]);
  const copy = () => {
    // no clipboard on a page that is not of this machine and not encrypted
    const done = navigator.clipboard ? navigator.clipboard.writeText(text) : Promise.reject(new Error('no clipboard'));
    done.then(
      () => setCopied('yes'),
      () => setCopied('failed'),
    );
  };
  return (
    <section className="card result-yaml" aria-label="Resulting YAML">
      <div className="card-head">
        <h2>{changed ? 'What results, as YAML' : 'The autoscaler as YAML'}</h2>
        <span className="end" role="status">
          {copied === 'yes' ? 'Copied' : copied === 'failed' ? 'The browser does not allow it: select the text' : ''}
        </span>
        <button type="button" className="button" onClick={copy} disabled={text === ''}>
          Copy YAML
        </button>
      </div>
      <pre tabIndex={0}>{text}</pre>
    </section>
  );
}
