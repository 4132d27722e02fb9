//! pgvector's query settings and what PGVecto.rs has instead.
//!
//! In: the name of a setting. Out: what becomes of it on the target. Values are not looked at: PGVecto.rs's ranges include pgvector's.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Becomes {
    /// It is not pgvector's.
    Itself,
    Counterpart(&'static str),
    /// PGVecto.rs has nothing like it.
    Nothing,
}

const COUNTERPARTS: &[(&str, &str)] = &[
    ("hnsw.ef_search", "vectors.hnsw_ef_search"),
    ("ivfflat.probes", "vectors.ivf_nprobe"),
];

/// What becomes of a setting; with `real_array` the target has no extension that could know it.
pub fn becomes(setting: &str, real_array: bool) -> Becomes {
    let setting = setting.to_ascii_lowercase();
    if !setting.starts_with("hnsw.") && !setting.starts_with("ivfflat.") {
        return Becomes::Itself;
    }
    let counterpart = COUNTERPARTS.iter().find(|(old, _)| *old == setting);
    counterpart
        .filter(|_| !real_array)
        .map_or(Becomes::Nothing, |(_, new)| Becomes::Counterpart(new))
}
