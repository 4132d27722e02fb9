//! Comes in: rows as lists of fields. Goes out: COPY streams and batches of them, and fields read back out of rows. Written
//! from the format alone, so that the crate's own reading and writing of frames is checked and not used.
#![allow(dead_code)] // each test binary takes what it needs

use bytes::Bytes;
use pgv2rs_codec::batch::Batch;
use pgv2rs_codec::convert::{Column, Conversion, Converter, Encoding, Form, Kind, Oids};
use pgv2rs_codec::error::Error;
use pgv2rs_codec::frame::Rows;

pub type Row = Vec<Option<Vec<u8>>>;

pub const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
pub const TRAILER: [u8; 2] = [0xff; 2];

pub fn row(fields: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut bytes = (fields.len() as i16).to_be_bytes().to_vec();
    for field in fields {
        let length = field.as_ref().map_or(-1, |field| field.len() as i32);
        bytes.extend(length.to_be_bytes());
        bytes.extend(field.iter().flatten());
    }
    bytes
}

pub fn stream(rows: &[Row]) -> Vec<u8> {
    let rows = rows.iter().flat_map(|fields| row(fields));
    HEADER.iter().copied().chain(rows).chain(TRAILER).collect()
}

/// The fields of whole rows with this many columns.
pub fn fields(mut bytes: &[u8], columns: usize) -> Vec<Row> {
    let mut take = |len: usize| {
        let (taken, rest) = bytes.split_at(len);
        bytes = rest;
        (taken.to_vec(), rest.is_empty())
    };
    let mut rows = Vec::new();
    let mut ended = false;
    while !ended {
        let (count, _) = take(2);
        assert_eq!(count, (columns as i16).to_be_bytes());
        let mut row = Row::new();
        for _ in 0..columns {
            let (length, end) = take(4);
            let length = i32::from_be_bytes(length.try_into().expect("four bytes"));
            ended = end;
            row.push((length >= 0).then(|| {
                let (field, end) = take(length as usize);
                ended = end;
                field
            }));
        }
        rows.push(row);
    }
    rows
}

/// A batch of these rows in one piece, as if it followed 4 rows and 100 bytes of the stream.
pub fn batch(rows: &[Row]) -> Batch {
    let bytes: Vec<u8> = rows.iter().flat_map(|fields| row(fields)).collect();
    let mut batch = Batch::default();
    batch.push(Rows {
        bytes: Bytes::from(bytes),
        first_row: 5,
        rows: rows.len() as u32,
        offset: 100,
    });
    batch
}

pub fn pgvector(kind: Kind) -> Form {
    Form {
        kind,
        encoding: Encoding::Pgvector,
    }
}

pub fn pgvectors(kind: Kind) -> Form {
    Form {
        kind,
        encoding: Encoding::Pgvectors,
    }
}

pub const REAL_ARRAY: Form = Form {
    kind: Kind::F32,
    encoding: Encoding::RealArray,
};

pub fn conversion(from: Form, to: Form) -> Conversion {
    Conversion::between(from, to).expect("a conversion in the table")
}

/// The OID of a vector type on the source, as the rows of these tests have it, and on the target.
pub const ELEMENT: Oids = Oids {
    source: 16_400,
    target: 0x0001_2345,
};

pub fn array_of(conversion: Conversion) -> Column {
    Column::Array {
        element: ELEMENT,
        of: Box::new(Column::Convert(conversion)),
    }
}

/// One field through one conversion.
pub fn convert_field(conversion: &Conversion, field: &[u8]) -> Result<Vec<u8>, Error> {
    convert_one(&Column::Convert(conversion.clone()), field)
}

/// One field through the column that it belongs to.
pub fn convert_one(column: &Column, field: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let converter = Converter::new(vec![column.clone()]);
    converter.convert(&batch(&[vec![Some(field.to_vec())]]), &mut out)?;
    let field = fields(&out, 1).remove(0).remove(0);
    Ok(field.expect("a value stays a value"))
}

pub fn vector_to(kind: Kind) -> Conversion {
    conversion(pgvector(Kind::F32), pgvectors(kind))
}

pub fn vector(elements: &[f32]) -> Vec<u8> {
    let header = (elements.len() as u32) << 16;
    let elements = elements.iter().flat_map(|x| x.to_be_bytes());
    header.to_be_bytes().into_iter().chain(elements).collect()
}

pub fn sparsevec(dims: u32, entries: &[(u32, f32)]) -> Vec<u8> {
    let header = [dims, entries.len() as u32, 0]
        .map(u32::to_be_bytes)
        .concat();
    let indices = entries.iter().flat_map(|(index, _)| index.to_be_bytes());
    let values = entries.iter().flat_map(|(_, value)| value.to_be_bytes());
    header.into_iter().chain(indices).chain(values).collect()
}

/// An array of these elements with this flag and one dimension of this length.
pub fn array(oid: u32, flag: u32, elements: &[Option<Vec<u8>>]) -> Vec<u8> {
    let header = [1, flag, oid, elements.len() as u32, 1]
        .map(u32::to_be_bytes)
        .concat();
    let element = |element: &Option<Vec<u8>>| match element {
        Some(bytes) => [&(bytes.len() as i32).to_be_bytes()[..], bytes].concat(),
        None => (-1i32).to_be_bytes().to_vec(),
    };
    header
        .into_iter()
        .chain(elements.iter().flat_map(element))
        .collect()
}
