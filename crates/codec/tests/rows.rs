//! Comes in: batches of whole rows. Goes out: whether the converter writes the rows that belong there, names row, column and
//! byte of a broken one, and gives the digest that reading back gives. Single values are in convert.rs.
mod support;

use bytes::Bytes;
use pgv2rs_codec::batch::Batch;
use pgv2rs_codec::convert::{Column, Converter, Kind, Output};
use pgv2rs_codec::digest::Digest;
use pgv2rs_codec::error::Cause;
use pgv2rs_codec::frame::Rows;
use support::{
    REAL_ARRAY, Row, array, array_of, batch, conversion, fields, pgvector, row, sparsevec, vector,
    vector_to,
};

/// id, name, embedding, tags: a row as users have it.
fn mixed_columns() -> Vec<Column> {
    let embedding = Column::Convert(vector_to(Kind::F32));
    vec![Column::Pass, Column::Pass, embedding, Column::PassArray]
}

fn mixed_rows() -> Vec<Row> {
    let tags = |flag| Some(array(25, flag, &[Some(b"red".to_vec())]));
    vec![
        vec![
            Some(vec![0; 8]),
            Some(b"one".to_vec()),
            Some(vector(&[1.0, -2.0])),
            tags(0),
        ],
        vec![Some(vec![1; 8]), None, None, None],
        vec![None, Some(vec![]), Some(vector(&[0.5; 9])), tags(1)],
    ]
}

#[test]
fn converts_its_column_and_leaves_the_others_as_they_are() {
    let mut out = b"before".to_vec();
    let converter = Converter::new(mixed_columns());
    let converted = converter
        .convert(&batch(&mixed_rows()), &mut out)
        .expect("sound rows");
    assert_eq!((converted.rows, converted.digest.rows()), (3, 3));
    let rows = fields(out.strip_prefix(b"before").expect("appended"), 4);
    for (row, source) in rows.iter().zip(mixed_rows()) {
        assert_eq!(
            (&row[0], &row[1], &row[3]),
            (&source[0], &source[1], &source[3])
        );
    }
    assert_eq!(
        rows[0][2].as_deref(),
        Some(&[2, 0, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0][..])
    );
    assert_eq!(rows[1][2], None);
}

#[test]
fn the_digest_of_what_is_written_is_that_of_what_comes_back() {
    let columns = [mixed_columns(), vec![array_of(vector_to(Kind::F16))]].concat();
    let mut rows = mixed_rows();
    let flagged = |flag, elements: &[_]| Some(array(16_400, flag, elements));
    rows[0].push(flagged(1, &[Some(vector(&[1.0]))]));
    rows[1].push(flagged(1, &[None, Some(vector(&[2.0]))]));
    rows[2].push(None);
    let mut out = Vec::new();
    let sent = Converter::new(columns)
        .convert(&batch(&rows), &mut out)
        .expect("sound rows");

    // The target stores the arrays, writes the flag that is true of them, and sends the rows in another order.
    let mut back = fields(&out, 5);
    back[2][3] = Some(array(25, 0, &[Some(b"red".to_vec())]));
    back.rotate_left(1);
    let read_back = vec![
        Column::Pass,
        Column::Pass,
        Column::Pass,
        Column::PassArray,
        // An array that was written anew went out with the flag that is true of it.
        Column::Pass,
    ];
    let reader = Converter::new(read_back);
    assert_eq!(reader.digest(&batch(&back)), Ok(sent));
    // And a row that only changed place in the batch is no change, one bit in an element is.
    back[1][2].as_mut().expect("a vector")[3] ^= 1;
    assert_ne!(
        reader.digest(&batch(&back)).expect("sound rows").digest,
        sent.digest
    );
}

#[test]
fn rows_that_only_pass_are_written_as_they_came() {
    let columns = vec![Column::Pass, Column::Pass, Column::Pass, Column::PassArray];
    let batch = batch(&mixed_rows());
    let mut out = Vec::new();
    let converter = Converter::new(columns);
    let converted = converter.convert(&batch, &mut out).expect("sound rows");
    assert_eq!(
        out,
        mixed_rows()
            .iter()
            .flat_map(|fields| row(fields))
            .collect::<Vec<_>>()
    );
    assert_eq!(converter.digest(&batch), Ok(converted));
}

#[test]
fn an_error_names_row_column_and_byte_and_leaves_the_output_alone() {
    let mut rows = mixed_rows();
    let row_bytes = |rows: &[Row]| {
        rows.iter()
            .map(|fields| row(fields).len() as u64)
            .sum::<u64>()
    };
    rows[2][2] = Some(vector(&[1.0, f32::NAN]));
    let mut out = b"before".to_vec();
    let batch = batch(&rows);
    let error = Converter::new(mixed_columns())
        .convert(&batch, &mut out)
        .expect_err("a NaN");
    assert_eq!(
        (error.row, error.column, error.cause),
        (7, Some(2), Cause::NotFinite { element: 1 })
    );
    // Before the element: the rows, the field count, a NULL, an empty field, a length, the header, one element.
    assert_eq!(
        error.offset,
        100 + row_bytes(&rows[..2]) + 2 + 4 + 4 + 4 + 4 + 4
    );
    assert_eq!(out, b"before");
    assert_eq!(
        batch.fields(error.row).expect("the row")[1].as_deref(),
        Some(&b""[..])
    );
}

#[test]
fn a_batch_gives_single_rows_by_their_ordinal() {
    let mut batch = batch(&mixed_rows());
    let last = row(&[Some(vec![9]), None, None, None]);
    batch.push(Rows {
        bytes: Bytes::from(last),
        first_row: 8,
        rows: 1,
        offset: 400,
    });
    assert_eq!(
        (batch.rows(), batch.first_row(), batch.is_empty()),
        (4, 5, false)
    );
    assert_eq!(
        batch.fields(6).expect("a row")[0].as_deref(),
        Some(&[1; 8][..])
    );
    assert_eq!(
        batch.fields(8).expect("a row")[0].as_deref(),
        Some(&[9][..])
    );
    assert!(batch.fields(4).is_none() && batch.fields(9).is_none() && batch.fields(0).is_none());
    assert_eq!(
        (Batch::default().first_row(), Batch::default().is_empty()),
        (0, true)
    );
}

#[test]
fn rows_that_contradict_their_count_are_refused() {
    let converters = [mixed_columns(), vec![Column::Pass; 4]].map(Converter::new);
    for converter in converters {
        let bytes: Vec<u8> = mixed_rows().iter().flat_map(|fields| row(fields)).collect();
        for (rows, len) in [(2, bytes.len()), (4, bytes.len()), (3, bytes.len() - 1)] {
            let mut batch = Batch::default();
            let bytes = Bytes::copy_from_slice(&bytes[..len]);
            batch.push(Rows {
                bytes,
                first_row: 1,
                rows,
                offset: 0,
            });
            let mut out = Vec::new();
            assert!(converter.convert(&batch, &mut out).is_err() && out.is_empty());
            assert!(converter.digest(&batch).is_err());
        }
    }
}

#[test]
fn a_batch_in_parts_is_the_same_batch() {
    let rows: Vec<Row> = (1..40)
        .map(|dims| vec![Some(sparsevec(dims * 10, &[(3, 1.0)]))])
        .collect();
    let mut parts = batch(&rows);
    let more: Vec<u8> = rows[..3].iter().flat_map(|fields| row(fields)).collect();
    parts.push(Rows {
        bytes: more.into(),
        first_row: 44,
        rows: 3,
        offset: 2000,
    });
    let converter = Converter::new(vec![Column::Convert(conversion(
        pgvector(Kind::Sparse),
        REAL_ARRAY,
    ))]);
    let mut whole = Vec::new();
    let expected = converter.convert(&parts, &mut whole).expect("sound rows");
    let (mut joined, mut digest, mut count, mut next) = (Vec::new(), Digest::default(), 0, 5);
    while !parts.is_empty() {
        assert_eq!(parts.first_row(), next);
        let mut out = Output::default();
        let part = converter
            .convert_part(&mut parts, &mut out, 5000)
            .expect("sound rows");
        let largest_row = 26 + 390 * 8;
        let out = out.to_vec();
        assert!(out.len() < 5000 + largest_row && (out.len() >= 5000 || parts.is_empty()));
        joined.extend(out);
        digest.merge(part.digest);
        next += part.rows;
        count += 1;
    }
    assert_eq!(
        (joined, digest, next),
        (whole, expected.digest, 5 + expected.rows)
    );
    assert!(count > 10 && parts.bytes() == 0);
}

#[test]
fn a_long_field_that_passes_is_not_copied() {
    let long: Vec<u8> = (0..1u32 << 20).map(|i| (i * 31) as u8).collect();
    let mut rows = mixed_rows();
    // In front of a vector and of an array whose flag the digest takes as 0.
    rows[2][1] = Some(long.clone());
    let converter = Converter::new(mixed_columns());
    let mut copied = Vec::new();
    let sent = converter.convert(&batch(&rows), &mut copied);
    let rows = batch(&rows);
    let mut out = Output::default();
    assert_eq!(
        converter.convert_part(&mut rows.clone(), &mut out, usize::MAX),
        sent
    );
    assert_eq!(out.to_vec(), copied);
    let (written, passed) = out.into_parts();
    let fields = rows.fields(7).expect("a row of the batch");
    let came = fields[1].as_ref().expect("a value").as_ptr();
    assert!(written.len() < 500 && passed.len() == 1);
    assert!(passed[0].bytes.as_ptr_range().contains(&came) && passed[0].bytes.len() > long.len());
    let back = batch(&support::fields(&copied, 4));
    let columns = [Column::Pass, Column::Pass, Column::Pass, Column::PassArray];
    assert_eq!(Converter::new(columns.to_vec()).digest(&back), sent);
}

#[test]
fn a_digest_is_printed_as_32_digits_and_merges_in_any_order() {
    let (mut left, mut right, mut all) = (Digest::default(), Digest::default(), Digest::default());
    for (i, row) in [&b"one"[..], b"two", b"three", b"two"]
        .into_iter()
        .enumerate()
    {
        if i % 2 == 0 {
            left.add(row)
        } else {
            right.add(row)
        }
        all.add(row);
    }
    let mut merged = right;
    merged.merge(left);
    assert_eq!(merged, all);
    assert_eq!(all.rows(), 4);
    assert_eq!(all.to_string().len(), 32);
    assert_eq!(Digest::default().to_string(), "0".repeat(32));
    let mut one_two_less = left;
    one_two_less.add(b"two");
    assert_ne!(one_two_less, all);
}

#[test]
fn debug_output_holds_no_value() {
    let batch = batch(&[vec![Some(b"secret".to_vec())]]);
    assert!(!format!("{batch:?}").contains("secret"));
    let rows = Rows {
        bytes: Bytes::from_static(b"secret"),
        first_row: 1,
        rows: 1,
        offset: 0,
    };
    assert!(!format!("{rows:?}").contains("secret"));
}

#[test]
fn an_error_in_a_later_part_is_that_of_the_whole_batch() {
    let mut rows: Vec<Row> = vec![vec![Some(vector(&[1.0; 9]))]; 10];
    rows[8][0] = Some(vector(&[f32::INFINITY]));
    let converter = Converter::new(vec![Column::Convert(vector_to(Kind::F32))]);
    let expected = converter
        .convert(&batch(&rows), &mut Vec::new())
        .expect_err("an infinity");
    let mut parts = batch(&rows);
    for _ in 0..8 {
        let part = converter
            .convert_part(&mut parts, &mut Output::default(), 1)
            .expect("sound rows");
        assert_eq!(part.rows, 1);
    }
    let found = converter.convert_part(&mut parts, &mut Output::default(), 1);
    assert_eq!(found, Err(expected));
    assert_eq!((parts.rows(), parts.first_row()), (2, expected.row));
}

/// The rows that are left when those with a bad embedding are taken out, by hand.
#[test]
fn rows_that_are_left_out_leave_the_others_as_if_they_had_never_been() {
    let columns = || {
        let embedding = Column::Convert(vector_to(Kind::F16).dims(Some(2)));
        // The array's flag is noted before the vector is looked at.
        vec![Column::Pass, Column::PassArray, embedding]
    };
    let one = |id: u8, v: Option<Vec<u8>>| -> Row {
        let tags = array(25, 1, &[Some(vec![b'x'; usize::from(id)])]);
        vec![Some(vec![id; 3]), Some(tags), v]
    };
    let fine = |id| one(id, Some(vector(&[f32::from(id), 0.5])));
    let bad = [
        one(0, Some(vector(&[1.0]))),
        one(3, Some(vector(&[1.0, 70_000.0]))),
        one(4, Some(vector(&[f32::NAN, 1.0]))),
        one(9, Some(vector(&[]))),
    ];
    let rows: Vec<Row> = (0..10)
        .map(
            |id| match bad.iter().find(|row| row[0] == Some(vec![id; 3])) {
                Some(bad) => bad.clone(),
                None if id == 6 => one(6, None),
                None => fine(id),
            },
        )
        .collect();
    let good: Vec<Row> = rows.iter().filter(|r| !bad.contains(r)).cloned().collect();
    for text in [false, true] {
        let converter = match text {
            false => Converter::new(columns()),
            true => {
                let [id, _, v] = columns().try_into().expect("three");
                Converter::text(vec![id, Column::Pass, v]).expect("columns with a text")
            }
        };
        let mut expected = Vec::new();
        let sent = converter
            .convert(&batch(&good), &mut expected)
            .expect("sound rows");
        for budget in [1, 100, usize::MAX] {
            let mut left = batch(&rows);
            let (mut out, mut refused) = (Output::after(b"before".to_vec()), Vec::new());
            let (mut count, mut digest) = (0, Digest::default());
            while !left.is_empty() {
                let part = converter
                    .convert_part_but(&mut left, &mut out, budget, &mut refused)
                    .expect("the others are sound");
                count += part.rows;
                digest.merge(part.digest);
            }
            assert_eq!(out.to_vec().strip_prefix(b"before"), Some(&expected[..]));
            assert_eq!((count, digest), (6, sent.digest));
            let found: Vec<_> = refused
                .iter()
                .map(|r| (r.error.row, r.error.column, r.fields()[0].clone()))
                .collect();
            let key = |id: u8| Some(Bytes::from(vec![id; 3]));
            // The batch begins with the stream's fifth row.
            let named = [0, 3, 4, 9].map(|id| (5 + u64::from(id), Some(2), key(id)));
            assert_eq!(found, named);
            assert!(matches!(
                refused[1].error.cause,
                Cause::Overflow { element: 1 }
            ));
        }
    }
}

#[test]
fn bytes_that_are_no_row_of_the_table_are_never_left_out() {
    let mut other_type = mixed_rows();
    other_type[1].push(Some(array(23, 0, &[Some(vector(&[1.0]))])));
    other_type[0].push(None);
    other_type[2].push(None);
    let of_vectors = [mixed_columns(), vec![array_of(vector_to(Kind::F32))]].concat();
    let mut short = mixed_rows();
    short[1].pop();
    let mut cut = mixed_rows();
    cut[1][2] = Some(vector(&[1.0, 2.0])[..9].to_vec());
    for (columns, rows) in [
        (of_vectors, other_type),
        (mixed_columns(), short),
        (mixed_columns(), cut),
    ] {
        let (mut out, mut refused) = (Output::after(b"before".to_vec()), Vec::new());
        let mut batch = batch(&rows);
        let error = Converter::new(columns)
            .convert_part_but(&mut batch, &mut out, usize::MAX, &mut refused)
            .expect_err("bytes of something else");
        assert!(!error.cause.is_of_a_value(), "{error}");
        assert_eq!(
            (error.row, batch.rows(), &out.to_vec()[..]),
            (6, 3, &b"before"[..])
        );
        assert!(refused.is_empty());
    }
}

#[test]
fn a_table_of_nothing_but_bad_rows_is_nothing() {
    let rows: Vec<Row> = vec![vec![Some(vector(&[f32::INFINITY]))]; 50];
    let (mut out, mut refused, mut left) = (Output::default(), Vec::new(), batch(&rows));
    let converter = Converter::new(vec![Column::Convert(vector_to(Kind::F32))]);
    let converted = converter
        .convert_part_but(&mut left, &mut out, 1, &mut refused)
        .expect("no row of another table");
    assert_eq!((converted.rows, converted.digest), (0, Digest::default()));
    assert!(out.to_vec().is_empty() && left.is_empty() && refused.len() == 50);
    assert!(!format!("{refused:?}").contains("inf"));
}
