//! Comes in: one pgvector payload. Goes out: the payload that the target's `recv` reads, appended, or the fault that makes it
//! illegal on either side. The table at the top is all there is to look up; another direction is more rows in it.
use super::{Encoding, Form, Kind, Overflow};
use crate::buffer::Buffer;
use crate::error::{Cause, Fault};
use crate::formats::{pgvector, pgvectors, real_array};
use crate::kernel::{self, Isa};

/// One conversion that exists.
#[derive(Debug)]
pub(super) struct Pair {
    pub from: Form,
    pub to: Form,
    pub convert: Convert,
}

/// Reads one payload and appends the other; what it appended before a fault is worth nothing.
type Convert = fn(&Job, &[u8], &mut Buffer) -> Result<(), Fault>;

/// What a conversion must know besides the payload.
#[derive(Clone, Copy)]
pub(super) struct Job {
    pub isa: Isa,
    pub dims: Option<u32>,
    pub overflow: Overflow,
}

const VECTOR: Form = Form {
    kind: Kind::F32,
    encoding: Encoding::Pgvector,
};
const HALFVEC: Form = Form {
    kind: Kind::F16,
    encoding: Encoding::Pgvector,
};
const BIT: Form = Form {
    kind: Kind::Bits,
    encoding: Encoding::Pgvector,
};
const SPARSEVEC: Form = Form {
    kind: Kind::Sparse,
    encoding: Encoding::Pgvector,
};
const VECTORS_VECTOR: Form = Form {
    kind: Kind::F32,
    encoding: Encoding::Pgvectors,
};
const VECF16: Form = Form {
    kind: Kind::F16,
    encoding: Encoding::Pgvectors,
};
const BVECTOR: Form = Form {
    kind: Kind::Bits,
    encoding: Encoding::Pgvectors,
};
const SVECTOR: Form = Form {
    kind: Kind::Sparse,
    encoding: Encoding::Pgvectors,
};
const REAL_ARRAY: Form = Form {
    kind: Kind::F32,
    encoding: Encoding::RealArray,
};

pub(super) static PAIRS: [Pair; 12] = [
    Pair {
        from: VECTOR,
        to: VECTORS_VECTOR,
        convert: vector_to_vector,
    },
    Pair {
        from: VECTOR,
        to: VECF16,
        convert: vector_to_vecf16,
    },
    Pair {
        from: VECTOR,
        to: BVECTOR,
        convert: vector_to_bvector,
    },
    Pair {
        from: VECTOR,
        to: REAL_ARRAY,
        convert: vector_to_array,
    },
    Pair {
        from: HALFVEC,
        to: VECTORS_VECTOR,
        convert: halfvec_to_vector,
    },
    Pair {
        from: HALFVEC,
        to: VECF16,
        convert: halfvec_to_vecf16,
    },
    Pair {
        from: HALFVEC,
        to: BVECTOR,
        convert: halfvec_to_bvector,
    },
    Pair {
        from: HALFVEC,
        to: REAL_ARRAY,
        convert: halfvec_to_array,
    },
    Pair {
        from: BIT,
        to: BVECTOR,
        convert: bit_to_bvector,
    },
    Pair {
        from: BIT,
        to: REAL_ARRAY,
        convert: bit_to_array,
    },
    Pair {
        from: SPARSEVEC,
        to: SVECTOR,
        convert: sparsevec_to_svector,
    },
    Pair {
        from: SPARSEVEC,
        to: REAL_ARRAY,
        convert: sparsevec_to_array,
    },
];

impl Job {
    fn vector<'a>(&self, payload: &'a [u8]) -> Result<pgvector::Dense<'a>, Fault> {
        let vector = pgvector::dense(payload, 4)?;
        self.check_dims(vector.dims)?;
        Ok(vector)
    }

    fn halfvec<'a>(&self, payload: &'a [u8]) -> Result<pgvector::Dense<'a>, Fault> {
        let halfvec = pgvector::dense(payload, 2)?;
        self.check_dims(halfvec.dims)?;
        Ok(halfvec)
    }

    fn bit<'a>(&self, payload: &'a [u8]) -> Result<pgvector::Bits<'a>, Fault> {
        let bit = pgvector::bits(payload)?;
        self.check_dims(bit.dims)?;
        Ok(bit)
    }

    fn sparsevec<'a>(&self, payload: &'a [u8]) -> Result<pgvector::Sparse<'a>, Fault> {
        let sparsevec = pgvector::sparse(payload)?;
        self.check_dims(sparsevec.dims)?;
        Ok(sparsevec)
    }

    fn check_dims(&self, found: u32) -> Result<(), Fault> {
        match self.dims {
            Some(expected) if expected != found => {
                Err(Fault::new(0, Cause::Dims { found, expected }))
            }
            _ => Ok(()),
        }
    }
}

/// A kernel only says that something was illegal; where it is, is looked for when there is something to find.
fn legal(legal: bool, find: impl FnOnce() -> Option<Fault>) -> Result<(), Fault> {
    if legal {
        Ok(())
    } else {
        find().map_or(Ok(()), Err)
    }
}

fn vector_to_vector(job: &Job, payload: &[u8], out: &mut Buffer) -> Result<(), Fault> {
    let src = job.vector(payload)?;
    let dst = pgvectors::dense(src.dims, 4, out)?;
    legal(kernel::f32_to_f32(job.isa, src.elements, dst), || {
        src.not_finite_f32()
    })
}

fn vector_to_vecf16(job: &Job, payload: &[u8], out: &mut Buffer) -> Result<(), Fault> {
    let src = job.vector(payload)?;
    let dst = pgvectors::dense(src.dims, 2, out)?;
    let largest = kernel::f32_to_f16(job.isa, src.elements, dst);
    if largest >= kernel::F32_INFINITY {
        return legal(false, || src.not_finite_f32());
    }
    if largest >= kernel::F16_OVERFLOW {
        match job.overflow {
            Overflow::Error => return legal(false, || src.overflow(kernel::F16_OVERFLOW)),
            Overflow::Saturate => pgvectors::saturate_f16(dst),
            Overflow::Infinity => {}
        }
    }
    Ok(())
}

fn vector_to_bvector(job: &Job, payload: &[u8], out: &mut Buffer) -> Result<(), Fault> {
    let src = job.vector(payload)?;
    let dst = pgvectors::bits(src.dims, out)?;
    legal(kernel::f32_to_bits(job.isa, src.elements, dst), || {
        src.not_finite_f32()
    })
}

fn vector_to_array(job: &Job, payload: &[u8], out: &mut Buffer) -> Result<(), Fault> {
    let src = job.vector(payload)?;
    let dst = real_array::array(src.dims, out)?;
    legal(kernel::f32_to_array(job.isa, src.elements, dst), || {
        src.not_finite_f32()
    })
}

fn halfvec_to_vector(job: &Job, payload: &[u8], out: &mut Buffer) -> Result<(), Fault> {
    let src = job.halfvec(payload)?;
    let dst = pgvectors::dense(src.dims, 4, out)?;
    legal(kernel::f16_to_f32(job.isa, src.elements, dst), || {
        src.not_finite_f16()
    })
}

fn halfvec_to_vecf16(job: &Job, payload: &[u8], out: &mut Buffer) -> Result<(), Fault> {
    let src = job.halfvec(payload)?;
    let dst = pgvectors::dense(src.dims, 2, out)?;
    legal(kernel::f16_to_f16(job.isa, src.elements, dst), || {
        src.not_finite_f16()
    })
}

fn halfvec_to_bvector(job: &Job, payload: &[u8], out: &mut Buffer) -> Result<(), Fault> {
    let src = job.halfvec(payload)?;
    let dst = pgvectors::bits(src.dims, out)?;
    legal(kernel::f16_to_bits(job.isa, src.elements, dst), || {
        src.not_finite_f16()
    })
}

fn halfvec_to_array(job: &Job, payload: &[u8], out: &mut Buffer) -> Result<(), Fault> {
    let src = job.halfvec(payload)?;
    let dst = real_array::array(src.dims, out)?;
    legal(kernel::f16_to_array(job.isa, src.elements, dst), || {
        src.not_finite_f16()
    })
}

fn bit_to_bvector(job: &Job, payload: &[u8], out: &mut Buffer) -> Result<(), Fault> {
    let src = job.bit(payload)?;
    let dst = pgvectors::bits(src.dims, out)?;
    kernel::bits_to_bits(job.isa, src.bytes, dst);
    Ok(())
}

fn bit_to_array(job: &Job, payload: &[u8], out: &mut Buffer) -> Result<(), Fault> {
    let src = job.bit(payload)?;
    let dst = real_array::array(src.dims, out)?;
    kernel::bits_to_array(job.isa, src.bytes, dst);
    Ok(())
}

fn sparsevec_to_svector(job: &Job, payload: &[u8], out: &mut Buffer) -> Result<(), Fault> {
    let src = job.sparsevec(payload)?;
    let (indices, values) = pgvectors::sparse(src.dims, src.entries, out)?;
    let ascending = kernel::indices(job.isa, src.indices, indices);
    let finite = kernel::values(job.isa, src.values, values);
    legal(ascending && src.last_index_fits() && finite, || src.fault())
}

fn sparsevec_to_array(job: &Job, payload: &[u8], out: &mut Buffer) -> Result<(), Fault> {
    let src = job.sparsevec(payload)?;
    // Before any room is made: a few bytes of input may ask for a gigabyte.
    src.fault().map_or(Ok(()), Err)?;
    let dst = real_array::array(src.dims, out)?;
    real_array::scatter(src.pairs(), dst);
    Ok(())
}
