// OTLP requests, as objects in the form of OTLP's JSON, as protobuf.

const varint = (value) => {
  let rest = BigInt.asUintN(64, BigInt(value));
  const out = [];
  while (rest >= 0x80n) {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  out.push(Number(rest));
  return Buffer.from(out);
};
const tag = (number, wire) => varint((number << 3) | wire);
const block = (number, bytes) => Buffer.concat([tag(number, 2), varint(bytes.length), bytes]);
const text = (number, value) => (value ? block(number, Buffer.from(value)) : Buffer.alloc(0));
const hex = (number, value) => (value ? block(number, Buffer.from(value, 'hex')) : Buffer.alloc(0));
const count = (number, value) => (value ? Buffer.concat([tag(number, 0), varint(value)]) : Buffer.alloc(0));
const fixed64 = (number, value) => {
  if (!value || value === '0') return Buffer.alloc(0);
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return Buffer.concat([tag(number, 1), bytes]);
};
const fixed32 = (number, value) => {
  if (!value) return Buffer.alloc(0);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return Buffer.concat([tag(number, 5), bytes]);
};
const all = (number, items, encode) => Buffer.concat((items ?? []).map((item) => block(number, encode(item))));

function anyValue(value) {
  if ('stringValue' in value) return block(1, Buffer.from(value.stringValue));
  if ('boolValue' in value) return Buffer.concat([tag(2, 0), varint(value.boolValue ? 1 : 0)]);
  if ('intValue' in value) return Buffer.concat([tag(3, 0), varint(value.intValue)]);
  if ('doubleValue' in value) {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value.doubleValue);
    return Buffer.concat([tag(4, 1), bytes]);
  }
  if ('arrayValue' in value) return block(5, all(1, value.arrayValue.values, anyValue));
  if ('kvlistValue' in value) return block(6, all(1, value.kvlistValue.values, keyValue));
  if ('bytesValue' in value) return block(7, Buffer.from(value.bytesValue, 'base64'));
  return Buffer.alloc(0);
}

const keyValue = ({ key, value }) => Buffer.concat([text(1, key), block(2, anyValue(value))]);

const event = (e) => Buffer.concat([fixed64(1, e.timeUnixNano), text(2, e.name), all(3, e.attributes, keyValue), count(4, e.droppedAttributesCount)]);

const link = (l) => Buffer.concat([hex(1, l.traceId), hex(2, l.spanId), text(3, l.traceState), all(4, l.attributes, keyValue), count(5, l.droppedAttributesCount), fixed32(6, l.flags)]);

const span = (s) =>
  Buffer.concat([
    hex(1, s.traceId), hex(2, s.spanId), text(3, s.traceState), hex(4, s.parentSpanId), text(5, s.name), count(6, s.kind),
    fixed64(7, s.startTimeUnixNano), fixed64(8, s.endTimeUnixNano), all(9, s.attributes, keyValue), count(10, s.droppedAttributesCount),
    all(11, s.events, event), count(12, s.droppedEventsCount), all(13, s.links, link), count(14, s.droppedLinksCount),
    s.status ? block(15, Buffer.concat([text(2, s.status.message), count(3, s.status.code)])) : Buffer.alloc(0),
    fixed32(16, s.flags),
  ]);

const scope = (s) => Buffer.concat([text(1, s.name), text(2, s.version), all(3, s.attributes, keyValue), count(4, s.droppedAttributesCount)]);

const scopeSpans = (s) => Buffer.concat([s.scope ? block(1, scope(s.scope)) : Buffer.alloc(0), all(2, s.spans, span), text(3, s.schemaUrl)]);

const resourceSpans = (r) =>
  Buffer.concat([
    r.resource ? block(1, Buffer.concat([all(1, r.resource.attributes, keyValue), count(2, r.resource.droppedAttributesCount)])) : Buffer.alloc(0),
    all(2, r.scopeSpans, scopeSpans),
    text(3, r.schemaUrl),
  ]);

/** The request as bytes. */
export const encode = (request) => all(1, request.resourceSpans, resourceSpans);
