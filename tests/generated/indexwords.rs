//! In: the tokens of CREATE INDEX over vectors, from either side. Out: the same words for the same index: its kind and options, whoever
//! wrote them. This is the generator's own table of what becomes what.

use std::collections::BTreeMap;

pub fn normal(words: Vec<String>) -> Vec<String> {
    let Some(using) = words.iter().position(|w| w == "USING") else {
        return words;
    };
    let method = words.get(using + 1).map(String::as_str);
    let Some(method) = method.filter(|m| ["hnsw", "ivfflat", "vectors"].contains(m)) else {
        return words;
    };
    let keys_end = closing(&words, using + 2);
    let mut keys = slices(&words[using + 2..=keys_end]);
    keys.retain(|w| w != "(" && w != ")");
    // pgvector's only default operator class is not printed.
    if !keys.last().is_some_and(|w| w.ends_with("_ops")) {
        keys.push("vector_l2_ops".into());
    }
    let rest = &words[keys_end + 1..];
    let (with, rest) = match rest.first().is_some_and(|w| w == "WITH") {
        true => rest.split_at(closing(rest, 1) + 1),
        false => rest.split_at(0),
    };
    let options = match method {
        "vectors" => written(with),
        method => meant(method, with),
    };
    let mut normal = words[..using].to_vec();
    normal.extend(keys);
    normal.push(options);
    normal.extend_from_slice(rest);
    normal
}

/// Where the bracket closes that opens at `from`.
fn closing(words: &[String], from: usize) -> usize {
    let mut depth = 0;
    for (at, word) in words.iter().enumerate().skip(from) {
        depth += i32::from(word == "(") - i32::from(word == ")");
        if depth == 0 {
            return at;
        }
    }
    words.len() - 1
}

/// `subvector(e, s, n)` counts from 1 and says how many, `e[a:b]` counts from 0 and ends before b.
fn slices(words: &[String]) -> Vec<String> {
    let Some(at) = words.iter().position(|w| w == "subvector") else {
        return words.to_vec();
    };
    let number = |i: usize| words[at + i].parse::<usize>().unwrap_or(0);
    let (start, count) = (number(4), number(6));
    let mut out = words[..=at + 2].to_vec();
    // The function's name and its bracket.
    out.drain(at..at + 2);
    let slice = format!("[ {} : {} ]", start - 1, start - 1 + count);
    out.extend(slice.split(' ').map(String::from));
    out.extend_from_slice(&words[at + 8..]);
    out
}

/// PGVecto.rs's TOML, without the number of threads, which follows the machine.
fn written(with: &[String]) -> String {
    let toml = with
        .iter()
        .find(|w| w.starts_with('\''))
        .map(|w| w.trim_matches('\''));
    let lines = toml.unwrap_or_default().lines().map(str::trim);
    let kept: Vec<&str> = lines
        .filter(|l| !l.is_empty() && !l.starts_with("optimizing.optimizing_threads = "))
        .collect();
    kept.join(" ")
}

/// What pgvector's options are in PGVecto.rs: its defaults said, its smallest values raised.
fn meant(method: &str, with: &[String]) -> String {
    let given: BTreeMap<&str, usize> = with
        .windows(3)
        .filter(|w| w[1] == "=")
        .filter_map(|w| Some((w[0].as_str(), w[2].trim_matches('\'').parse().ok()?)))
        .collect();
    let option = |name: &str, default: usize, least: usize| {
        given.get(name).copied().unwrap_or(default).max(least)
    };
    match method {
        "hnsw" => format!(
            "[indexing.hnsw] m = {} ef_construction = {}",
            option("m", 16, 4),
            option("ef_construction", 64, 10)
        ),
        _ => format!("[indexing.ivf] nlist = {}", option("lists", 100, 1)),
    }
}
