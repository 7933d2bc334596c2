/** Explore. */
export default function Explore() {
  return <div className="page" />;
}
