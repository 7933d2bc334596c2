/** The sliders, by group: a place on a scale of round values, or any value in the field beside it. A moved one can be put back. */
import { useEffect, useId, useState } from 'react';
import type { Manifest } from './manifest';
import { placesOf, placeText, type Slider } from './sliders';

function NumberField({ value, label, onChange }: { value: number; label: string; onChange: (value: number) => void }) {
  const [text, setText] = useState(String(value));
  useEffect(() => setText(String(value)), [value]);
  const commit = () => {
    const wanted = Number(text);
    if (text.trim() !== '' && Number.isFinite(wanted) && wanted >= 0) onChange(wanted);
    else setText(String(value));
  };
  return (
    <input
      type="number"
      min={0}
      step="any"
      aria-label={label}
      value={text}
      onChange={(event) => setText(event.target.value)}
      onBlur={commit}
      onKeyDown={(event) => event.key === 'Enter' && commit()}
    />
  );
}

interface RowProps {
  slider: Slider;
  standing: number;
  moved: number | undefined;
  onMove: (value: number | undefined) => void;
}

export function SliderRow({ slider, standing, moved, onMove }: RowProps) {
  const id = useId();
  const value = moved ?? standing;
  const places = placesOf(slider, standing, value);
  const at = places.indexOf(value);
  return (
    <div className={moved === undefined ? 'slider-row' : 'slider-row moved'} title={slider.help}>
      <label htmlFor={id}>{slider.label}</label>
      <input
        id={id}
        type="range"
        min={0}
        max={places.length - 1}
        step={1}
        value={at}
        aria-valuetext={placeText(value, slider.unit)}
        style={{ '--at': `${(100 * at) / Math.max(1, places.length - 1)}%` } as React.CSSProperties}
        onChange={(event) => onMove(places[Number(event.target.value)])}
      />
      <span className="slider-value">
        <NumberField value={value} label={`${slider.label}, exactly`} onChange={onMove} />
        <span className="slider-unit">{slider.unit}</span>
      </span>
      <button type="button" className="slider-back" disabled={moved === undefined} aria-label={`${slider.label}: back to ${placeText(standing, slider.unit)}`} title={`Back to ${placeText(standing, slider.unit)}`} onClick={() => onMove(undefined)}>
        ↺
      </button>
    </div>
  );
}

export function SliderGroup({ sliders, base, moved, onMove }: { sliders: Slider[]; base: Manifest; moved: Record<string, number>; onMove: (name: string, value: number | undefined) => void }) {
  return (
    <div className="slider-group">
      {sliders.map((slider) => {
        const standing = slider.standing(base);
        return <SliderRow key={slider.name} slider={slider} standing={standing} moved={moved[slider.name]} onMove={(value) => onMove(slider.name, value === standing ? undefined : value)} />;
      })}
    </div>
  );
}
