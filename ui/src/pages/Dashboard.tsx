/** Dashboard. */
export default function Dashboard({ uid }: { uid: string }) {
  return <div className="page">{uid}</div>;
}
