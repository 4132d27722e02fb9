use super::*;
use crate::catalog::access::TargetAccess;
use crate::catalog::target::Existing;
use crate::catalog::{Column, Index, Type};

const VECTOR: u32 = 20_001;
const HALFVEC: u32 = 20_002;
const PSEUDO: u32 = 20_003;
const BIT: u32 = 1560;
const INT4: u32 = 23;

fn ty(kind: char, vector: Option<SourceType>) -> Type {
    Type {
        name: "t".into(),
        kind,
        typmod: -1,
        has_binary: true,
        vector,
        ..Type::default()
    }
}

fn column(name: &str, type_oid: u32, typmod: i32) -> Column {
    let type_text = match type_oid {
        VECTOR => format!("public.vector({typmod})"),
        HALFVEC => format!("public.halfvec({typmod})"),
        BIT => format!("bit({typmod})"),
        _ => "integer".into(),
    };
    Column {
        name: name.into(),
        type_oid,
        typmod,
        type_text,
        generated: false,
    }
}

pub fn table(oid: u32, name: &str, columns: Vec<Column>) -> Relation {
    Relation {
        oid,
        schema: "public".into(),
        name: name.into(),
        kind: 'r',
        unlogged: false,
        parents: Vec::new(),
        is_partition: false,
        rows_estimate: 10,
        bytes: 8192,
        file: oid,
        may_select: true,
        primary_key: Vec::new(),
        columns,
        owner: "postgres".into(),
        grantees: Vec::new(),
    }
}

fn source(relations: Vec<Relation>) -> Source {
    Source {
        version_num: 180_006,
        system_identifier: Some("1".into()),
        database: "d".into(),
        encoding: "UTF8".into(),
        vector_schema: "public".into(),
        types: HashMap::from([
            (VECTOR, ty('b', Some(SourceType::Vector))),
            (HALFVEC, ty('b', Some(SourceType::Halfvec))),
            (PSEUDO, ty('p', None)),
            (BIT, ty('b', Some(SourceType::Bit))),
            (INT4, ty('b', None)),
        ]),
        relations,
        ..Source::default()
    }
}

fn target() -> Target {
    Target {
        version_num: 160_014,
        system_identifier: Some("2".into()),
        database: "d".into(),
        encoding: "UTF8".into(),
        superuser: true,
        access: TargetAccess {
            temporary: true,
            creates: true,
            ..TargetAccess::default()
        },
        vectors_available: Some("0.4.0".into()),
        vectors_preloaded: true,
        connections: 100,
        ..Target::default()
    }
}

fn wishes(mappings: &[Mapping]) -> Wishes<'_> {
    Wishes {
        mappings,
        format: Format::Native,
        schema_source: SchemaSource::Dump,
        index_threads: 2,
        jobs: 2,
        index_jobs: 2,
    }
}

fn map(table: &str, column: &str, to: TargetType) -> Mapping {
    Mapping {
        schema: "public".into(),
        table: table.into(),
        column: column.into(),
        to,
    }
}

fn planned(source: &Source, target: &Target, wishes: &Wishes) -> Plan {
    let all = source.relations.iter().map(|r| r.oid).collect();
    decide(source, target, &all, wishes)
}

fn bit_index(table: u32) -> Index {
    Index {
        oid: table + 100,
        table,
        name: "i".into(),
        schema: "public".into(),
        method: "hnsw".into(),
        opclasses: vec![("bit_hamming_ops".into(), true)],
        options: Vec::new(),
        columns: vec![Some("b".into())],
        constraint: None,
        valid: true,
    }
}

fn reasons(plan: &Plan, severity: Severity) -> Vec<&str> {
    let of = plan.findings.iter().filter(|f| f.severity == severity);
    of.map(|f| f.reason.as_str()).collect()
}

#[test]
fn bits_stay_bits_until_an_index_takes_them_for_a_vector() {
    let mut source = source(vec![table(1, "t", vec![column("b", BIT, 8)])]);
    let plan = planned(&source, &target(), &wishes(&[]));
    assert_eq!(plan.tables[0].columns[0].travel, Travel::Pass);
    assert!(plan.tables[0].columns[0].why.is_some());
    source.indexes = vec![bit_index(1)];
    let plan = planned(&source, &target(), &wishes(&[]));
    assert_eq!(
        plan.tables[0].columns[0].target_text(),
        "vectors.bvector(8)"
    );
}

#[test]
fn a_bit_index_on_one_partition_speaks_for_the_whole_tree() {
    let mut parent = table(1, "p", vec![column("b", BIT, 8)]);
    parent.kind = 'p';
    let leaf = |oid, name| Relation {
        parents: vec![1],
        is_partition: true,
        ..table(oid, name, vec![column("b", BIT, 8)])
    };
    let mut source = source(vec![parent, leaf(2, "p1"), leaf(3, "p2")]);
    source.indexes = vec![bit_index(2)];
    let plan = planned(&source, &target(), &wishes(&[]));
    assert_eq!(plan.worst(), None);
    assert_eq!(plan.context.columns.len(), 3);
}

#[test]
fn a_mapping_of_a_partitioned_table_is_followed_by_its_partitions() {
    let mut parent = table(1, "p", vec![column("v", VECTOR, 3)]);
    parent.kind = 'p';
    let leaf = Relation {
        parents: vec![1],
        is_partition: true,
        ..table(2, "p1", vec![column("v", VECTOR, 3)])
    };
    let source = source(vec![parent, leaf]);
    let maps = [map("p", "v", TargetType::Vecf16)];
    let plan = planned(&source, &target(), &wishes(&maps));
    assert_eq!(plan.worst(), None);
    assert_eq!(plan.tables[0].columns[0].target_text(), "vectors.vecf16(3)");
    // Only the leaf named: it could not be attached any more.
    let maps = [map("p1", "v", TargetType::Vecf16)];
    assert_eq!(
        planned(&source, &target(), &wishes(&maps)).worst(),
        Some(Severity::Problem)
    );
}

#[test]
fn a_mapping_that_names_nothing_is_a_problem_and_one_without_a_conversion_a_decision() {
    let source = source(vec![table(1, "t", vec![column("v", VECTOR, 3)])]);
    let nothing = [map("t", "w", TargetType::Vecf16)];
    assert_eq!(
        planned(&source, &target(), &wishes(&nothing)).worst(),
        Some(Severity::Problem)
    );
    let no_pair = [map("t", "v", TargetType::Svector)];
    let plan = planned(&source, &target(), &wishes(&no_pair));
    assert_eq!(plan.worst(), Some(Severity::Decision));
    assert!(plan.tables.is_empty() && plan.left_out.contains(&1));
}

#[test]
fn a_column_that_does_not_travel_leaves_its_table_out_by_name() {
    let source = source(vec![
        table(1, "odd", vec![column("c", PSEUDO, -1)]),
        table(2, "fine", vec![column("n", INT4, -1)]),
    ]);
    let plan = planned(&source, &target(), &wishes(&[]));
    assert_eq!(plan.findings[0].object, "column public.odd.c");
    let copied: Vec<&str> = plan.tables.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(copied, ["fine"]);
}

#[test]
fn generated_columns_change_their_type_but_are_not_copied() {
    let generated = Column {
        generated: true,
        ..column("h", HALFVEC, 3)
    };
    let source = source(vec![table(1, "t", vec![column("v", VECTOR, 3), generated])]);
    let plan = planned(&source, &target(), &wishes(&[]));
    assert_eq!(plan.tables[0].columns.len(), 1);
    assert!(plan.context.columns[&1].contains_key("h"));
}

#[test]
fn a_target_that_cannot_run_pgvecto_rs_is_a_problem_with_its_own_remedy() {
    let source = source(Vec::new());
    let without = Target {
        vectors_available: None,
        ..target()
    };
    let unloaded = Target {
        vectors_preloaded: false,
        ..target()
    };
    let plain = Target {
        superuser: false,
        ..target()
    };
    let old = Target {
        vectors_available: Some("0.3.0".into()),
        ..target()
    };
    for (target, word) in [
        (without, "no extension"),
        (unloaded, "shared_preload_libraries"),
        (plain, "superuser"),
        (old, "0.3.0"),
    ] {
        let plan = planned(&source, &target, &wishes(&[]));
        let problems = reasons(&plan, Severity::Problem);
        assert!(
            problems.len() == 1 && problems[0].contains(word),
            "{problems:?}"
        );
        // real[] needs none of it.
        let arrays = Wishes {
            format: Format::RealArray,
            ..wishes(&[])
        };
        assert_eq!(planned(&source, &target, &arrays).worst(), None);
    }
}

#[test]
fn all_that_is_wrong_with_the_servers_is_said_at_once() {
    let source = Source {
        version_num: 110_000,
        ..source(Vec::new())
    };
    let target = Target {
        system_identifier: Some("1".into()),
        encoding: "LATIN1".into(),
        connections: 3,
        ..target()
    };
    let plan = planned(&source, &target, &wishes(&[]));
    assert_eq!(
        reasons(&plan, Severity::Problem).len(),
        4,
        "{:?}",
        plan.findings
    );
}

#[test]
fn a_server_of_a_version_that_was_never_tried_is_a_problem() {
    let (mut old, mut older) = (source(Vec::new()), target());
    (old.version_num, older.version_num) = (120_022, 130_023);
    let plan = planned(&old, &older, &wishes(&[]));
    let found = reasons(&plan, Severity::Problem);
    assert!(found.contains(&"version 12 is older than 13"), "{found:?}");
    assert!(found.contains(&"version 13 is older than 14"), "{found:?}");
    (old.version_num, older.version_num) = (130_023, 140_023);
    let plan = planned(&old, &older, &wishes(&[]));
    assert_eq!(reasons(&plan, Severity::Problem), [""; 0]);
}

#[test]
fn a_taken_place_is_a_problem_and_an_existing_table_must_be_empty_and_bare() {
    let source = source(vec![table(1, "t", vec![column("v", VECTOR, 3)])]);
    let existing = |has_rows, ty: &str, obstacles: &[&str]| {
        let there = Existing {
            kind: 'r',
            may_fill: true,
            owned: true,
            has_rows,
            columns: vec![("v".into(), ty.into())],
            obstacles: obstacles.iter().map(|o| o.to_string()).collect(),
        };
        Target {
            relations: HashMap::from([(("public".into(), "t".into()), there)]),
            ..target()
        }
    };
    let good = existing(false, "vectors.vector(3)", &[]);
    assert_eq!(
        planned(&source, &good, &wishes(&[])).worst(),
        Some(Severity::Problem)
    );
    let filling = Wishes {
        schema_source: SchemaSource::Existing,
        ..wishes(&[])
    };
    assert_eq!(planned(&source, &good, &filling).worst(), None);
    for (bad, word) in [
        (existing(true, "vectors.vector(3)", &[]), "not empty"),
        (
            existing(false, "vectors.vector(4)", &[]),
            "vectors.vector(4)",
        ),
        (
            existing(false, "vectors.vector(3)", &["trigger x"]),
            "trigger x",
        ),
        (target(), "not on the target"),
    ] {
        let plan = planned(&source, &bad, &filling);
        let problems = reasons(&plan, Severity::Problem);
        assert!(
            problems.iter().any(|p| p.contains(word)),
            "{word}: {problems:?}"
        );
    }
}
