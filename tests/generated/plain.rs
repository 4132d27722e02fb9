//! The built-in types of columns, each with the values where mistakes show first. In: random numbers. Out: values as SQL.

use super::random::Rng;

#[derive(Debug)]
pub struct Plain {
    pub sql: &'static str,
    pub values: &'static [&'static str],
    /// Has a btree operator class, by default.
    pub order: bool,
    /// An expression over `#`, a random number below 2^31, that gives a value too.
    pub from_number: &'static str,
}

const fn plain(
    sql: &'static str,
    order: bool,
    from_number: &'static str,
    values: &'static [&'static str],
) -> Plain {
    Plain {
        sql,
        values,
        order,
        from_number,
    }
}

impl Plain {
    pub fn random(&self, rng: &mut Rng) -> String {
        let number = (rng.next() >> 33).to_string();
        format!("({})::{}", self.from_number.replace('#', &number), self.sql)
    }
}

pub const PLAIN: [Plain; 66] = [
    plain("smallint", true, "# % 32768", &["-32768", "0", "32767"]),
    plain("integer", true, "#", &["-2147483648", "0", "2147483647"]),
    plain(
        "bigint",
        true,
        "#::bigint * 1000",
        &["-9223372036854775808", "-1", "9223372036854775807"],
    ),
    plain(
        "numeric",
        true,
        "# / 7.0",
        &[
            "NaN",
            "Infinity",
            "-Infinity",
            "0.000",
            "-0.1",
            "1e100",
            "1e-100",
            "12345678901234567890.12345678901234567890",
        ],
    ),
    plain(
        "numeric(12,3)",
        true,
        "# / 7.0",
        &["NaN", "0", "-999999999.999"],
    ),
    plain(
        "real",
        true,
        "# / 7.0",
        &[
            "NaN",
            "Infinity",
            "-Infinity",
            "-0",
            "1e-45",
            "3.4028235e38",
        ],
    ),
    plain(
        "double precision",
        true,
        "# / 7.0",
        &[
            "NaN",
            "Infinity",
            "-Infinity",
            "-0",
            "5e-324",
            "1.7976931348623157e308",
        ],
    ),
    plain(
        "money",
        true,
        "# % 100000",
        &["-12.34", "0", "92233720368547758.07"],
    ),
    plain(
        "text",
        true,
        "'t' || #",
        &[
            "",
            "'",
            "\\",
            "\\N",
            "NULL",
            "\t\r\n",
            "é🦀日本",
            "{\"a\",b}",
            "[1,2,3]",
        ],
    ),
    plain(
        "character varying",
        true,
        "'v' || #",
        &["", " blanks ", "a'b\"c\\d"],
    ),
    plain(
        "character varying(10)",
        true,
        "'v' || # % 1000",
        &["", "1234567890", "éééééééééé"],
    ),
    plain(
        "character(5)",
        true,
        "'c' || # % 1000",
        &["", "abc", "a  b"],
    ),
    plain("\"char\"", true, "chr(65 + # % 26)", &["", "a", "~"]),
    plain("name", true, "'n' || #", &["", "a name", "UPPER\"quoted"]),
    plain(
        "bytea",
        true,
        "decode(md5('#'), 'hex')",
        &["", "\\x00", "\\x0a5c00ff", "\\x5c2e0a"],
    ),
    plain("boolean", true, "# % 2 = 0", &["true", "false"]),
    plain(
        "date",
        true,
        "date '2000-01-01' + # % 9999",
        &[
            "infinity",
            "-infinity",
            "4713-11-24 BC",
            "5874897-12-31",
            "2024-02-29",
        ],
    ),
    plain(
        "time without time zone",
        true,
        "time '00:00' + interval '1 second' * (# % 86400)",
        &["00:00:00", "24:00:00", "12:34:56.789012"],
    ),
    plain(
        "time with time zone",
        true,
        "timetz '00:00+00' + interval '1 second' * (# % 86400)",
        &["00:00:00+15:59", "24:00:00-15:59", "12:34:56.789012+05:30"],
    ),
    plain(
        "timestamp without time zone",
        true,
        "timestamp '2000-01-01' + interval '1 second' * #",
        &[
            "infinity",
            "-infinity",
            "4713-11-24 00:00:00 BC",
            "294276-12-31 23:59:59.999999",
        ],
    ),
    plain(
        "timestamp(3) with time zone",
        true,
        "timestamptz '2000-01-01 00:00+00' + interval '1 second' * #",
        &["infinity", "2024-05-06 07:08:09.123456+00"],
    ),
    plain(
        "timestamp with time zone",
        true,
        "timestamptz '2000-01-01 00:00+00' + interval '1 second' * #",
        &["infinity", "-infinity", "0001-01-01 00:00:00+00 BC"],
    ),
    plain(
        "interval",
        true,
        "interval '1 second' * #",
        &[
            "0",
            "-1 day 02:03:04",
            "178000000 years",
            "1 mon -1 day 00:00:01.5",
        ],
    ),
    plain(
        "interval day to second",
        true,
        "interval '1 second' * #",
        &["1 day", "-00:00:00.000001"],
    ),
    plain(
        "inet",
        true,
        "inet '10.0.0.0' + (# % 65536)",
        &["0.0.0.0/0", "192.168.1.5/24", "::1", "fe80::/10"],
    ),
    plain(
        "cidr",
        true,
        "set_masklen(inet '10.0.0.0' + (# % 65536), 32)",
        &["10.0.0.0/8", "::/0", "2001:db8::/32"],
    ),
    plain(
        "macaddr",
        true,
        "'08:00:2b:01:02:03'",
        &["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"],
    ),
    plain(
        "macaddr8",
        true,
        "'08:00:2b:01:02:03:04:05'",
        &["ff:ff:ff:ff:ff:ff:ff:ff"],
    ),
    plain("bit(1)", true, "(# % 2)::bit(1)", &["0", "1"]),
    // Some become vectors, which have no order.
    plain(
        "bit(11)",
        false,
        "B'00000100000'",
        &["00000000000", "11111111111", "10000000001"],
    ),
    plain(
        "bit varying",
        true,
        "(# % 2048)::bit(11)",
        &["", "1", "00000000000000000000000000000001"],
    ),
    plain(
        "bit varying(20)",
        true,
        "(# % 2048)::bit(11)",
        &["", "1", "10101010101010101010"],
    ),
    plain(
        "uuid",
        true,
        "md5('#')::uuid",
        &[
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ],
    ),
    plain(
        "json",
        false,
        "json_build_object('n', #)",
        &[
            "null",
            " { \"a\" :  1, \"a\": 2 } ",
            "[]",
            "\"\\u00e9\"",
            "1e1000",
        ],
    ),
    plain(
        "jsonb",
        true,
        "jsonb_build_object('n', #)",
        &["null", "{\"a\": [1, {\"b\": null}]}", "[]", "\"é\"", "1.10"],
    ),
    plain(
        "jsonpath",
        false,
        "'$.a[*] ? (@ > #)'",
        &["$", "strict $.\"k\"[0 to last]", "lax $.a.b"],
    ),
    plain(
        "tsvector",
        true,
        "'w#:1A'",
        &["", "'a':1A,2B 'b':3", "'it''s':1"],
    ),
    plain(
        "tsquery",
        true,
        "'w# & b'",
        &["", "'a' & !'b'", "'a' <2> 'b':*A"],
    ),
    plain("point", false, "point(#, 1)", &["(0,-0)", "(NaN,Infinity)"]),
    plain(
        "line",
        false,
        "line(point(0, 0), point(1, # + 1))",
        &["{1,2,3}"],
    ),
    plain(
        "lseg",
        false,
        "lseg(point(0, 0), point(1, #))",
        &["[(0,0),(1,1)]"],
    ),
    plain(
        "box",
        false,
        "box(point(0, 0), point(1, #))",
        &["(1,1),(0,0)"],
    ),
    plain(
        "path",
        false,
        "path '((0,0),(1,#))'",
        &["[(0,0),(1,1)]", "((0,0),(1,1),(2,0))"],
    ),
    plain(
        "polygon",
        false,
        "polygon '((0,0),(1,#),(2,0))'",
        &["((0,0))"],
    ),
    plain("circle", false, "circle(point(0, 0), #)", &["<(0,0),0>"]),
    plain(
        "int4range",
        true,
        "int4range(0, #)",
        &["empty", "(,)", "[1,2]", "(,5)"],
    ),
    plain(
        "int8range",
        true,
        "int8range(0, #)",
        &["empty", "[-9223372036854775808,)"],
    ),
    plain(
        "numrange",
        true,
        "numrange(0, #)",
        &["empty", "[NaN,NaN]", "(0.000,1.10]", "(,Infinity]"],
    ),
    plain(
        "daterange",
        true,
        "daterange(date '2000-01-01', date '2000-01-01' + # % 9999)",
        &["empty", "[-infinity,infinity]"],
    ),
    plain(
        "tsrange",
        true,
        "tsrange(NULL, timestamp '2000-01-01' + interval '1 second' * #)",
        &["empty", "[\"2024-01-01 00:00:00\",infinity]"],
    ),
    plain(
        "tstzrange",
        true,
        "tstzrange(NULL, timestamptz '2000-01-01 00:00+00' + interval '1 second' * #)",
        &["empty"],
    ),
    plain(
        "int4multirange",
        true,
        "int4multirange(int4range(0, #))",
        &["{}", "{[1,2),[5,6)}", "{(,)}"],
    ),
    plain(
        "nummultirange",
        true,
        "nummultirange(numrange(0, #))",
        &["{}", "{[0.0,1.00),(5,6]}"],
    ),
    plain(
        "tstzmultirange",
        true,
        "'{}'",
        &["{[2024-01-01 00:00:00+00,infinity)}"],
    ),
    plain("oid", true, "#", &["0", "4294967295"]),
    plain(
        "pg_lsn",
        true,
        "pg_lsn '0/0' + #",
        &["0/0", "FFFFFFFF/FFFFFFFF"],
    ),
    plain("xid", false, "'#'", &["0", "4294967295"]),
    plain("xid8", true, "'#'", &["0", "18446744073709551615"]),
    plain("cid", false, "'#'", &["0"]),
    plain("tid", true, "'(#,1)'", &["(0,0)", "(4294967295,65535)"]),
    plain("pg_snapshot", false, "'10:#:'", &["10:20:10,14,15"]),
    plain("txid_snapshot", false, "'10:20:11'", &["10:20:10,14,15"]),
    plain("int2vector", false, "'1 2 3'", &["", "-1"]),
    plain("oidvector", true, "'1 2 #'", &["", "4294967295"]),
    plain("refcursor", false, "'c#'", &[""]),
    plain("xml", false, "NULL", &[]),
];
