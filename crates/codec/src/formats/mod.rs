//! Comes in: payload bytes, or an output buffer. Goes out: the parts of a payload after its header has been checked, or
//! room for the parts of a new one behind a finished header. What moves between the two is the kernels' affair.
pub(crate) mod pgvector;
pub(crate) mod pgvectors;
pub(crate) mod real_array;
