//! Comes in: any bytes, from libFuzzer or from the committed corpus. Goes out: nothing, or a panic where the codec broke a
//! promise. `tests/corpus.rs` of the codec compiles this same file and runs it over the corpus as ordinary tests.
mod reader;
mod target;

use bytes::Bytes;
use pgv2rs_codec::batch::Batch;
use pgv2rs_codec::convert::{
    Column, Conversion, Converted, Converter, Encoding, Form, Kind, Oids, Output, Overflow,
};
use pgv2rs_codec::error::Error;
use pgv2rs_codec::frame::{Rows, Splitter};
use pgv2rs_codec::kernel::Isa;

use reader::reads;
pub use target::accepts;

const ELEMENT: Oids = Oids {
    source: 16_400,
    target: 70_000,
};

/// What a target is run with.
enum Entry {
    Framing,
    Arrays,
    Nested,
    Text,
    Digest,
    Conversion(Kind, Kind, Encoding),
}

/// All targets by the name of their file and of their folder of the corpus.
const ENTRIES: [(&str, Entry); 17] = {
    use Encoding::{Pgvectors as Rs, RealArray as Array};
    use Entry::{Arrays, Conversion as To, Digest, Framing, Nested, Text};
    use Kind::{Bits, F16, F32, Sparse};
    [
        ("framing", Framing),
        ("arrays", Arrays),
        ("nested", Nested),
        ("text", Text),
        ("digest", Digest),
        ("vector_to_vector", To(F32, F32, Rs)),
        ("vector_to_vecf16", To(F32, F16, Rs)),
        ("vector_to_bvector", To(F32, Bits, Rs)),
        ("vector_to_real_array", To(F32, F32, Array)),
        ("halfvec_to_vector", To(F16, F32, Rs)),
        ("halfvec_to_vecf16", To(F16, F16, Rs)),
        ("halfvec_to_bvector", To(F16, Bits, Rs)),
        ("halfvec_to_real_array", To(F16, F32, Array)),
        ("bit_to_bvector", To(Bits, Bits, Rs)),
        ("bit_to_real_array", To(Bits, F32, Array)),
        ("sparsevec_to_svector", To(Sparse, Sparse, Rs)),
        ("sparsevec_to_real_array", To(Sparse, F32, Array)),
    ]
};

/// Names of all targets.
pub fn names() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().map(|(name, _)| *name)
}

/// Runs one target. Panics where the codec does, and where one of the promises below is broken.
pub fn run(name: &str, data: &[u8]) {
    let entry = ENTRIES.iter().find(|(entry, _)| *entry == name);
    match entry.map(|(_, entry)| entry) {
        Some(Entry::Framing) => framing(data),
        Some(Entry::Arrays) => arrays(data),
        Some(Entry::Nested) => nested(data),
        Some(Entry::Text) => text(data),
        Some(Entry::Digest) => digest(data),
        Some(Entry::Conversion(from, kind, encoding)) => {
            let from = Form {
                kind: *from,
                encoding: Encoding::Pgvector,
            };
            conversion(
                from,
                Form {
                    kind: *kind,
                    encoding: *encoding,
                },
                data,
            );
        }
        None => panic!("no target is called {name}"),
    }
}

/// First byte: columns. Second: length of the pieces. A stream cut into pieces gives the rows, the count and the error that
/// it gives as a whole, and whatever is handed out is whole rows.
fn framing(data: &[u8]) {
    let [columns, len, stream @ ..] = data else {
        return;
    };
    let columns = u16::from(columns % 8);
    let (whole, finished) = split(stream, stream.len().max(1), columns);
    let (cut, cut_finished) = split(stream, usize::from(*len).max(1), columns);
    assert_eq!(finished, cut_finished);
    let joined = |rows: &[Rows]| {
        rows.iter()
            .flat_map(|rows| rows.bytes.to_vec())
            .collect::<Vec<_>>()
    };
    if let Ok(rows) = finished {
        assert_eq!(joined(&whole), joined(&cut));
        assert_eq!(
            rows,
            cut.iter().map(|piece| u64::from(piece.rows)).sum::<u64>()
        );
    }
    let columns = vec![Column::PassArray; usize::from(columns)];
    for pieces in [whole, cut] {
        let batch = batch_of(pieces);
        let converted = Converter::new(columns.clone())
            .digest(&batch)
            .expect("whole rows");
        assert_eq!(converted.rows, batch.rows());
        for row in 0..batch.rows() {
            let fields = batch
                .fields(batch.first_row() + row)
                .expect("a row of the batch");
            assert_eq!(fields.len(), columns.len());
        }
    }
}

/// First byte: options. The rest: a payload. Every instruction set comes to the same result; what comes out, the target
/// accepts; and it is the same in parts.
fn conversion(from: Form, to: Form, data: &[u8]) {
    let [options, payload @ ..] = data else {
        return;
    };
    if from.kind == Kind::Sparse && to.encoding == Encoding::RealArray && takes_minutes(payload) {
        return;
    }
    let conversion = configured(from, to, *options);
    if let Some(payload) = convert_alike(Column::Convert(conversion), payload) {
        assert!(accepts(to, &payload) || infinite(to, *options));
    }
}

/// A few bytes may rightly become a gigabyte; those beyond the limit are refused at once and are left in.
fn takes_minutes(sparsevec: &[u8]) -> bool {
    let dims = sparsevec
        .first_chunk()
        .map_or(0, |dims| u32::from_be_bytes(*dims));
    (100_000..134_217_726).contains(&dims)
}

/// Like a conversion, but the payload is an array of vectors that become vecf16.
fn arrays(data: &[u8]) {
    let [options, payload @ ..] = data else {
        return;
    };
    let vector = Form {
        kind: Kind::F32,
        encoding: Encoding::Pgvector,
    };
    let vecf16 = Form {
        kind: Kind::F16,
        encoding: Encoding::Pgvectors,
    };
    let column = array_of_type(
        ELEMENT,
        Column::Convert(configured(vector, vecf16, *options)),
    );
    if let Some(array) = convert_alike(column, payload) {
        for element in target::elements(&array, ELEMENT.target) {
            assert!(accepts(vecf16, element) || infinite(vecf16, *options));
        }
    }
}

/// First byte: which of some nested types. The rest: a payload of it. What comes out is the same value with the target's OIDs: it
/// passes as its own, once more through the same types with the OIDs of the target on both sides.
fn nested(data: &[u8]) {
    let [which, payload @ ..] = data else { return };
    let column = |oids: Oids| {
        let attributes = vec![
            (oids, Column::Pass),
            (oids, array_of_type(oids, Column::FiniteInterval)),
            (oids, Column::PassArray),
        ];
        let composite = Column::Composite(attributes);
        match which % 4 {
            0 => composite,
            1 => array_of_type(oids, composite),
            2 => Column::Range(Box::new(composite)),
            _ => Column::Multirange(Box::new(array_of_type(oids, Column::Pass))),
        }
    };
    let source = ELEMENT.target;
    let settled = Oids { source, ..ELEMENT };
    if let Some(written) = convert_alike(column(ELEMENT), payload) {
        assert!(written.len() == payload.len());
        assert!(convert_alike(column(settled), &written) == Some(written));
    }
}

fn array_of_type(element: Oids, of: Column) -> Column {
    let of = Box::new(of);
    Column::Array { element, of }
}

/// First byte: which type of vector. The rest: its payload. Its text says the value that its binary form is.
fn text(data: &[u8]) {
    use Kind::{Bits, F16, F32, Sparse};
    let [which, payload @ ..] = data else { return };
    let from = [F32, F16, Bits, Sparse][usize::from(which % 4)];
    let form = |kind, encoding| Form { kind, encoding };
    let to = match which & 4 {
        0 => form(from, Encoding::Pgvectors),
        _ => form(F32, Encoding::RealArray),
    };
    if from == Sparse && to.encoding == Encoding::RealArray && takes_minutes(payload) {
        return;
    }
    let column = Column::Convert(configured(form(from, Encoding::Pgvector), to, 0));
    let Some(binary) = convert_alike(column.clone(), payload) else {
        return;
    };
    let mut line = Vec::new();
    let converter = Converter::text(vec![column]).expect("vectors have a text");
    let written = converter.convert(&row_of(payload), &mut line);
    assert!(written.is_ok() && line.pop() == Some(b'\n'));
    assert!(reads(to, &line) == Some(binary));
}

/// The bytes are one row of two columns, the second an array: cut anywhere or not, passed on or read back, its digest is one.
fn digest(data: &[u8]) {
    let [columns @ .., _] = data else { return };
    let rows = Rows {
        bytes: Bytes::copy_from_slice(columns),
        first_row: 1,
        rows: 1,
        offset: 0,
    };
    let batch = batch_of(vec![rows]);
    let converter = Converter::new(vec![Column::Pass, Column::PassArray]);
    let mut out = Vec::new();
    let passed = converter.convert(&batch, &mut out);
    assert_eq!(passed, converter.digest(&batch));
    assert_eq!(out, if passed.is_ok() { columns } else { &[] });
}

fn configured(from: Form, to: Form, options: u8) -> Conversion {
    let overflow = [Overflow::Error, Overflow::Saturate, Overflow::Infinity];
    let dims = (options & 0x80 != 0).then_some(u32::from(options >> 2 & 31));
    let conversion = Conversion::between(from, to).expect("a pair of the table");
    conversion
        .dims(dims)
        .overflow(overflow[usize::from(options % 3)])
}

/// Infinities stand in a vecf16 only where the options ask for them.
fn infinite(to: Form, options: u8) -> bool {
    to.kind == Kind::F16 && options % 3 == 2
}

/// Converts one field with every instruction set, and in parts; all must agree. The field that came out, if one did.
fn convert_alike(column: Column, payload: &[u8]) -> Option<Vec<u8>> {
    let mut batch = row_of(payload);
    let columns = vec![column];
    let results: Vec<(Result<Converted, Error>, Vec<u8>)> = Isa::available()
        .into_iter()
        .map(|isa| {
            let mut out = Vec::new();
            let converter = Converter::with_isa(columns.clone(), isa);
            (converter.convert(&batch, &mut out), out)
        })
        .collect();
    let (first, field) = results.first()?.clone();
    for (result, out) in &results {
        assert!(*result == first && *out == field);
    }
    // Everything that passes stays where it is.
    let mut part = Output::passing(Vec::new(), 1);
    assert_eq!(
        Converter::new(columns.clone()).convert_part(&mut batch, &mut part, 1),
        first
    );
    assert!(part.to_vec() == field && batch.is_empty() == first.is_ok());
    left_out_alike(columns, payload, first);
    first.is_ok().then(|| field[6..].to_vec())
}

/// A row that is left out was refused for a value, and takes nothing else along.
fn left_out_alike(columns: Vec<Column>, payload: &[u8], expected: Result<Converted, Error>) {
    let (mut batch, mut out, mut refused) = (row_of(payload), Output::default(), Vec::new());
    let found =
        Converter::new(columns).convert_part_but(&mut batch, &mut out, usize::MAX, &mut refused);
    match refused.first() {
        Some(row) => {
            assert_eq!(
                (found, Err(row.error)),
                (Ok(Converted::default()), expected)
            );
            assert!(row.error.cause.is_of_a_value() && out.to_vec().is_empty() && batch.is_empty());
        }
        None => assert_eq!(found, expected),
    }
}

/// A row of one field.
fn row_of(payload: &[u8]) -> Batch {
    let mut row = vec![0, 1];
    row.extend((payload.len() as i32).to_be_bytes());
    row.extend(payload);
    batch_of(vec![Rows {
        bytes: row.into(),
        first_row: 1,
        rows: 1,
        offset: 0,
    }])
}

fn split(stream: &[u8], len: usize, columns: u16) -> (Vec<Rows>, Result<u64, Error>) {
    let (mut splitter, mut rows) = (Splitter::new(columns), Vec::new());
    for piece in stream.chunks(len) {
        if let Err(error) = splitter.push(Bytes::copy_from_slice(piece), &mut rows) {
            return (rows, Err(error));
        }
    }
    (rows, splitter.finish())
}

fn batch_of(pieces: Vec<Rows>) -> Batch {
    let mut batch = Batch::default();
    pieces.into_iter().for_each(|rows| batch.push(rows));
    batch
}
