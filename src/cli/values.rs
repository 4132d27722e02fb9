//! In: the values of options, as they were written. Out: what they say: names by SQL's rules, numbers with their units.

use std::time::Duration;

use super::{Format, Mapping, RoleMapping, SearchPath};
use crate::error::{Error, Result, Side};

/// A number and its unit.
fn number_and_unit<'a>(text: &'a str, units: &[(&str, f64)]) -> std::result::Result<f64, String> {
    let text: &'a str = text.trim();
    let at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let names: Vec<&str> = units
        .iter()
        .map(|(name, _)| *name)
        .filter(|n| !n.is_empty())
        .collect();
    let refuse = || format!("write a number and one of {}", names.join(", "));
    let number: f64 = number.parse().map_err(|_| refuse())?;
    let unit = unit.trim();
    let factor = units
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit));
    factor.map(|(_, factor)| number * factor).ok_or_else(refuse)
}

pub fn time(text: &str) -> std::result::Result<Duration, String> {
    let units = [
        ("", 1.0),
        ("ms", 1e-3),
        ("s", 1.0),
        ("min", 60.0),
        ("h", 3600.0),
    ];
    let seconds = number_and_unit(text, &units)?;
    Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())
}

/// Of a second or more.
pub fn longer_time(text: &str) -> std::result::Result<Duration, String> {
    let found = time(text)?;
    match found >= Duration::from_secs(1) {
        true => Ok(found),
        false => Err("less than a second is no time at all".into()),
    }
}

pub fn size(text: &str) -> std::result::Result<usize, String> {
    match bytes(text)? {
        size if size >= 1 << 20 => Ok(size),
        _ => Err("less than 1MB holds no batch".into()),
    }
}

/// Bytes a second.
pub fn rate(text: &str) -> std::result::Result<usize, String> {
    match bytes(text.trim().strip_suffix("/s").unwrap_or(text))? {
        0 => Err("at this rate nothing comes".into()),
        rate => Ok(rate),
    }
}

/// As the server's own settings have them.
fn bytes(text: &str) -> std::result::Result<usize, String> {
    let kilo = 1024.0;
    let units = [
        ("kB", kilo),
        ("MB", kilo * kilo),
        ("GB", kilo * kilo * kilo),
    ];
    number_and_unit(text, &units).map(|bytes| bytes as usize)
}

pub fn mapping(text: &str) -> Result<Mapping> {
    let refuse = |why: &str| {
        Error::new(Side::Plan, format!("reading --map {text}"))
            .because(why.to_string())
            .remedy("write schema.table.column=type, type one of vector, vecf16, bvector, svector, real[]")
    };
    let (path, to) = text
        .rsplit_once('=')
        .ok_or_else(|| refuse("there is no ="))?;
    let parts = name_parts(path, '.').ok_or_else(|| refuse("a quoted name does not end"))?;
    let [schema, table, column]: [String; 3] = parts
        .try_into()
        .map_err(|_| refuse("the name does not have three parts"))?;
    let to = to
        .trim()
        .parse()
        .map_err(|_| refuse("there is no such type"))?;
    Ok(Mapping {
        schema,
        table,
        column,
        to,
    })
}

pub fn compat_schema(text: &str, format: Format) -> Result<String> {
    let refuse = |why: &str, remedy: &str| {
        Error::new(Side::Plan, format!("reading --compat-operators {text}"))
            .because(why.to_string())
            .remedy(remedy)
    };
    if format == Format::RealArray {
        return Err(refuse(
            "with --format real-array the target has no types to make operators for",
            "leave it out, or use the native format",
        ));
    }
    let other =
        "name the schema where pgvector lived, or another one on the applications' search_path";
    let parts = name_parts(text, '.').ok_or_else(|| refuse("a quoted name does not end", other))?;
    let [name]: [String; 1] = parts
        .try_into()
        .map_err(|_| refuse("that is not the name of one schema", other))?;
    let reserved = name.is_empty() || name.starts_with("pg_") || name == "information_schema";
    match name.as_str() {
        "vectors" => Err(refuse(
            "that is PGVecto.rs's own schema; on a search_path it makes real[] = real[] ambiguous",
            other,
        )),
        _ if reserved => Err(refuse("that schema is not the user's", other)),
        _ => Ok(name),
    }
}

/// `role=NAME`, `database` or `system`.
pub fn search_path(text: &str) -> Result<SearchPath> {
    let refuse = || {
        Error::new(Side::Plan, format!("reading --search-path {text}"))
            .because("it names no place")
            .remedy("write role=NAME, database or system; a name with upper case letters stands in double quotes, as in SQL")
    };
    let parts = name_parts(text, '=').ok_or_else(refuse)?;
    match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["database"] => Ok(SearchPath::Database),
        ["system"] => Ok(SearchPath::System),
        ["role", name] if !name.is_empty() => Ok(SearchPath::Role(name.into())),
        _ => Err(refuse()),
    }
}

/// The names of a list, such as a search_path, by SQL's rules.
pub fn names(text: &str) -> Option<Vec<String>> {
    let parts = name_parts(text, ',')?;
    // Blanks around a name are none of it, unless they stand in quotes, which the server's own lists do not have at an end.
    Some(parts.iter().map(|p| p.trim().to_string()).collect())
}

pub fn role_mapping(text: &str) -> Result<RoleMapping> {
    let refuse = |why: &str| {
        Error::new(Side::Plan, format!("reading --role-map {text}"))
            .because(why.to_string())
            .remedy("write old=new; a name with upper case letters or an = in it stands in double quotes, as in SQL")
    };
    let parts = name_parts(text, '=').ok_or_else(|| refuse("a quoted name does not end"))?;
    let [from, to]: [String; 2] = parts
        .try_into()
        .map_err(|_| refuse("it is not two names with one = between them"))?;
    if from.is_empty() || to.is_empty() {
        return Err(refuse("a name is empty"));
    }
    Ok(RoleMapping { from, to })
}

/// A name in its parts, by SQL's rules: folded to lower case outside double quotes.
fn name_parts(text: &str, separator: char) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let part = parts.last_mut()?;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                part.push('"');
            }
            '"' => quoted = !quoted,
            c if c == separator && !quoted => parts.push(String::new()),
            _ if quoted => part.push(c),
            _ => part.push(c.to_ascii_lowercase()),
        }
    }
    (!quoted).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_mapping_with_quoted_names() {
        let m = mapping("Public.\"We.\"\"ird\".Embedding=vecf16").unwrap();
        assert_eq!(
            (m.schema.as_str(), m.table.as_str()),
            ("public", "We.\"ird")
        );
        assert_eq!(m.column, "embedding");
        assert_eq!(m.to, dialect::types::TargetType::Vecf16);
    }

    #[test]
    fn reads_a_role_mapping_with_quoted_names() {
        let m = role_mapping("Old=\"New=\"\"x\"").unwrap();
        assert_eq!((m.from.as_str(), m.to.as_str()), ("old", "New=\"x"));
        for bad in ["old", "=new", "old=", "a=b=c", "\"a=b"] {
            assert_eq!(role_mapping(bad).unwrap_err().exit_code(), 2, "{bad}");
        }
    }

    #[test]
    fn reads_times_and_sizes_with_their_units() {
        assert_eq!(time("90"), Ok(Duration::from_secs(90)));
        assert_eq!(time("1.5min"), Ok(Duration::from_secs(90)));
        assert_eq!(time("0s"), Ok(Duration::ZERO));
        assert_eq!(size("64MB"), Ok(64 * 1024 * 1024));
        assert_eq!(rate("20 kB/s"), rate("20kB"));
        assert_eq!(rate("20kB"), Ok(20 * 1024));
        for bad in ["", "s", "5 parsecs", "-1s", "1e9"] {
            assert!(time(bad).is_err(), "{bad}");
        }
        assert!(size("64").is_err() && size("1kB").is_err());
        assert!(rate("0MB").is_err() && rate("64").is_err());
    }

    #[test]
    fn refuses_a_mapping_without_three_parts_or_with_an_unknown_type() {
        assert_eq!(mapping("t.c=vector").unwrap_err().exit_code(), 2);
        assert_eq!(mapping("s.t.c=int4").unwrap_err().exit_code(), 2);
        assert_eq!(mapping("s.t.c").unwrap_err().exit_code(), 2);
    }

    #[test]
    fn reads_the_schema_of_compatibility_by_sqls_rules() {
        let native = |text| compat_schema(text, Format::Native);
        assert_eq!(native("Public").unwrap(), "public");
        assert_eq!(native("\"Odd.One\"").unwrap(), "Odd.One");
        for refused in ["vectors", "pg_catalog", "a.b", "\"open", ""] {
            assert_eq!(native(refused).unwrap_err().exit_code(), 2, "{refused}");
        }
        let error = compat_schema("public", Format::RealArray).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
