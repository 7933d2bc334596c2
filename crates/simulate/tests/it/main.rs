//! What the simulator says of whole manifests: figures known from the reference implementation, and the manifests as shipped.

mod reference_figures;
mod shipped_manifests;
