//! Types, operator classes and options: one test a row of the tables that the crate holds.

use pgv2rs_dialect::index::{IndexDesc, options, options_document};
use pgv2rs_dialect::opclass::{Measure, Missing, find, target};
use pgv2rs_dialect::types::{SourceType, TargetType, TypeChange, default_target};

fn change(from: SourceType, to: TargetType, dims: Option<u32>, array: bool) -> TypeChange {
    TypeChange {
        from,
        to,
        dims,
        array,
    }
}

#[test]
fn every_source_type_has_a_usual_target() {
    let pairs = [
        (SourceType::Vector, "vectors.vector"),
        (SourceType::Halfvec, "vectors.vecf16"),
        (SourceType::Bit, "vectors.bvector"),
        (SourceType::Varbit, "vectors.bvector"),
        (SourceType::Sparsevec, "vectors.svector"),
    ];
    for (from, name) in pairs {
        assert_eq!(default_target(from).sql_name(), name);
    }
}

#[test]
fn target_types_are_qualified_and_carry_their_dimensions() {
    assert_eq!(
        change(SourceType::Vector, TargetType::Vector, Some(3), false).target_sql(),
        "vectors.vector(3)"
    );
    assert_eq!(
        change(SourceType::Halfvec, TargetType::Vecf16, None, false).target_sql(),
        "vectors.vecf16"
    );
    assert_eq!(
        change(SourceType::Vector, TargetType::Vector, Some(3), true).target_sql(),
        "vectors.vector(3)[]"
    );
    assert_eq!(
        change(SourceType::Vector, TargetType::RealArray, Some(3), false).target_sql(),
        "real[]"
    );
    assert_eq!(
        change(SourceType::Vector, TargetType::RealArray, Some(3), true).target_sql(),
        "real[][]"
    );
}

#[test]
fn reads_the_words_of_a_mapping() {
    for (word, ty) in [
        ("vector", TargetType::Vector),
        ("vecf16", TargetType::Vecf16),
        ("Bvector", TargetType::Bvector),
        ("vectors.svector", TargetType::Svector),
        ("real[]", TargetType::RealArray),
    ] {
        assert_eq!(word.parse(), Ok(ty), "{word}");
    }
    for word in [
        "",
        "halfvec",
        "vectors.",
        "vectors.real[]",
        "vector(3)",
        "real",
    ] {
        assert!(word.parse::<TargetType>().is_err(), "{word}");
    }
}

#[test]
fn refuses_dimensions_beyond_the_targets_modifier() {
    for (from, to, most) in [
        (SourceType::Bit, TargetType::Bvector, 65_535),
        (SourceType::Sparsevec, TargetType::Svector, 1_048_575),
    ] {
        assert_eq!(change(from, to, Some(most), false).refusal(), None);
        assert!(change(from, to, Some(most + 1), false).refusal().is_some());
    }
    assert_eq!(
        change(
            SourceType::Sparsevec,
            TargetType::RealArray,
            Some(1_000_000_000),
            false
        )
        .refusal(),
        None
    );
}

#[test]
fn every_measure_of_pgvector_has_its_class() {
    let rows = [
        ("vector_l2_ops", TargetType::Vector, "vectors.vector_l2_ops"),
        (
            "vector_ip_ops",
            TargetType::Vector,
            "vectors.vector_dot_ops",
        ),
        (
            "vector_cosine_ops",
            TargetType::Vector,
            "vectors.vector_cos_ops",
        ),
        (
            "halfvec_l2_ops",
            TargetType::Vecf16,
            "vectors.vecf16_l2_ops",
        ),
        (
            "halfvec_ip_ops",
            TargetType::Vecf16,
            "vectors.vecf16_dot_ops",
        ),
        (
            "halfvec_cosine_ops",
            TargetType::Vecf16,
            "vectors.vecf16_cos_ops",
        ),
        (
            "sparsevec_l2_ops",
            TargetType::Svector,
            "vectors.svector_l2_ops",
        ),
        (
            "sparsevec_ip_ops",
            TargetType::Svector,
            "vectors.svector_dot_ops",
        ),
        (
            "sparsevec_cosine_ops",
            TargetType::Svector,
            "vectors.svector_cos_ops",
        ),
        (
            "bit_hamming_ops",
            TargetType::Bvector,
            "vectors.bvector_hamming_ops",
        ),
        (
            "bit_jaccard_ops",
            TargetType::Bvector,
            "vectors.bvector_jaccard_ops",
        ),
    ];
    for (name, over, expected) in rows {
        let class = find(name).expect(name);
        assert_eq!(target(class.measure, over), Ok(expected), "{name}");
        assert_eq!(default_target(class.over), over, "{name}");
    }
}

#[test]
fn classes_without_an_equal_say_why() {
    for name in [
        "vector_l1_ops",
        "halfvec_l1_ops",
        "sparsevec_l1_ops",
        "vector_ops",
        "halfvec_ops",
        "sparsevec_ops",
    ] {
        let class = find(name).expect(name);
        assert_eq!(
            target(class.measure, default_target(class.over)),
            Err(Missing::Measure(class.measure)),
            "{name}"
        );
    }
    assert_eq!(
        target(Measure::L2, TargetType::Bvector),
        Err(Missing::Type(Measure::L2, TargetType::Bvector))
    );
    assert_eq!(
        target(Measure::Hamming, TargetType::Vector),
        Err(Missing::Type(Measure::Hamming, TargetType::Vector))
    );
    assert_eq!(
        target(Measure::L2, TargetType::RealArray).map_err(Missing::reason),
        Err("real[] has no vector index".to_owned())
    );
}

#[test]
fn classes_of_others_are_not_pgvectors() {
    for name in [
        "gist_trgm_ops",
        "bit_ops",
        "int4_ops",
        "vector",
        "vector_",
        "bit_l1_ops",
        "cube_ops",
        "tsvector_ops",
    ] {
        assert_eq!(find(name), None, "{name}");
    }
}

fn desc(method: &str, options: &[(&str, &str)]) -> IndexDesc {
    let options = options
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    IndexDesc {
        method: method.to_owned(),
        options,
        ..IndexDesc::default()
    }
}

#[test]
fn hnsw_without_options_says_pgvectors_defaults() {
    let document = options_document(&desc("hnsw", &[]), TargetType::Vector, 8);
    assert_eq!(
        document.as_deref(),
        Ok("optimizing.optimizing_threads = 8\n[indexing.hnsw]\nm = 16\nef_construction = 64\n")
    );
}

#[test]
fn ivfflat_without_options_says_pgvectors_default() {
    let document = options_document(&desc("ivfflat", &[]), TargetType::Vecf16, 1);
    assert_eq!(
        document.as_deref(),
        Ok("optimizing.optimizing_threads = 1\n[indexing.ivf]\nnlist = 100\n")
    );
}

#[test]
fn options_are_copied_up_to_pgvectors_limits() {
    let hnsw = options(
        &desc("hnsw", &[("ef_construction", "1000"), ("m", "100")]),
        TargetType::Svector,
        2,
    )
    .expect("known");
    assert!(
        hnsw.document.ends_with("m = 100\nef_construction = 1000\n") && hnsw.changes.is_empty()
    );
    let ivf = options(
        &desc("ivfflat", &[("lists", "32768")]),
        TargetType::Vector,
        2,
    )
    .expect("known");
    assert!(ivf.document.ends_with("nlist = 32768\n") && ivf.changes.is_empty());
}

#[test]
fn values_that_the_target_refuses_move_to_the_nearest_and_are_said() {
    for (m, ef, new_m, new_ef, said) in [
        ("2", "4", 4, 10, 2),
        ("3", "9", 4, 10, 2),
        ("4", "10", 4, 10, 0),
        ("4", "9", 4, 10, 1),
    ] {
        let options = options(
            &desc("hnsw", &[("m", m), ("ef_construction", ef)]),
            TargetType::Vector,
            1,
        )
        .expect("known");
        assert!(
            options
                .document
                .ends_with(&format!("m = {new_m}\nef_construction = {new_ef}\n")),
            "{}",
            options.document
        );
        assert_eq!(options.changes.len(), said);
    }
}

#[test]
fn threads_stay_within_the_targets_range() {
    for (threads, expected) in [(0, "= 1\n"), (65_535, "= 65535\n"), (70_000, "= 65535\n")] {
        let document =
            options_document(&desc("hnsw", &[]), TargetType::Vector, threads).expect("known");
        assert!(
            document
                .lines()
                .next()
                .is_some_and(|line| format!("{line}\n").ends_with(expected)),
            "{document}"
        );
    }
}

#[test]
fn ivfflat_over_bits_becomes_hnsw_and_is_said() {
    let options =
        options(&desc("ivfflat", &[("lists", "5")]), TargetType::Bvector, 3).expect("known");
    assert_eq!(
        options.document,
        "optimizing.optimizing_threads = 3\n[indexing.hnsw]\nm = 16\nef_construction = 64\n"
    );
    let [change] = options.changes.as_slice() else {
        panic!("{:?}", options.changes)
    };
    assert!(
        change.contains("m = 16") && change.contains("ef_construction = 64"),
        "{change}"
    );
}

#[test]
fn refuses_methods_options_and_values_that_pgvector_does_not_have() {
    for (method, option) in [
        ("btree", None),
        ("hnsw", Some(("lists", "3"))),
        ("hnsw", Some(("m", "many"))),
        ("ivfflat", Some(("m", "3"))),
    ] {
        assert!(
            options(&desc(method, option.as_slice()), TargetType::Vector, 1).is_err(),
            "{method} {option:?}"
        );
    }
}
