//! In: findings. Out: the same for a person, the worst first. Many of one kind stand in one line, so that five hundred notes do not bury a
//! decision; what needs a decision is always named in full.

use std::fmt::Write as _;

use super::line;
use crate::plan::{Finding, Severity};

/// Objects that a line of notes names, and lines of notes.
const NAMED: usize = 6;
const GROUPS: usize = 30;

pub fn text(out: &mut String, findings: &[Finding]) {
    let groups = [
        (
            Severity::Problem,
            "Problems: nothing can be done before they are mended",
        ),
        (
            Severity::Decision,
            "Needs a decision (left out with --allow-findings)",
        ),
        (Severity::Note, "Notes"),
    ];
    for (severity, title) in groups {
        let of: Vec<&Finding> = findings.iter().filter(|f| f.severity == severity).collect();
        if of.is_empty() {
            continue;
        }
        line(out, format_args!("\n{title}"));
        let (groups, cut) = match severity {
            Severity::Note => (grouped(&of), GROUPS),
            _ => (grouped(&of), usize::MAX),
        };
        for group in groups.iter().take(cut) {
            print(out, group, severity);
        }
        let rest: usize = groups.iter().skip(cut).map(Vec::len).sum();
        if rest > 0 {
            line(
                out,
                format_args!("  and {rest} more notes: --dry-run --output json has all of them"),
            );
        }
    }
}

/// Findings that say the same of several objects, in the order of the first of each.
fn grouped<'a>(findings: &[&'a Finding]) -> Vec<Vec<&'a Finding>> {
    let mut groups: Vec<(String, Vec<&Finding>)> = Vec::new();
    for finding in findings {
        let key = format!("{}\n{}", alike(&finding.reason), alike(&finding.remedy));
        match groups.iter_mut().find(|(k, _)| *k == key) {
            Some((_, group)) => group.push(finding),
            None => groups.push((key, vec![finding])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// A sentence without the names in it: what holds a dot inside or is quoted.
fn alike(sentence: &str) -> String {
    let mut words = Vec::new();
    for word in sentence.split(' ') {
        let bare = word.trim_end_matches([',', ';', ':', '.']);
        match bare.contains(['.', '"', '_']) {
            true => words.push("…"),
            false => words.push(word),
        }
    }
    words.dedup();
    words.join(" ")
}

fn print(out: &mut String, group: &[&Finding], severity: Severity) {
    let first = group[0];
    let same = group
        .iter()
        .all(|f| f.reason == first.reason && f.remedy == first.remedy);
    if group.len() == 1 || (severity != Severity::Note && !same) {
        for finding in group {
            one(out, finding);
        }
        return;
    }
    let named = match severity {
        Severity::Note => NAMED,
        _ => usize::MAX,
    };
    let objects: Vec<&str> = group
        .iter()
        .take(named)
        .map(|f| f.object.as_str())
        .collect();
    let more = match group.len().saturating_sub(named) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let (reason, remedy) = match same {
        true => (first.reason.clone(), first.remedy.clone()),
        false => (alike(&first.reason), alike(&first.remedy)),
    };
    line(out, format_args!("  {} objects: {reason}", group.len()));
    line(out, format_args!("    {}{more}", objects.join(", ")));
    if !remedy.is_empty() {
        line(out, format_args!("    what to do: {remedy}"));
    }
}

fn one(out: &mut String, finding: &Finding) {
    let _ = writeln!(out, "  {}: {}", finding.object, finding.reason);
    if !finding.remedy.is_empty() {
        let _ = writeln!(out, "    what to do: {}", finding.remedy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(object: &str, reason: &str) -> Finding {
        Finding::new(Severity::Note, object, reason)
    }

    #[test]
    fn five_hundred_notes_of_one_kind_are_two_lines() {
        let mut findings: Vec<Finding> = (0..500)
            .map(|n| {
                note(
                    &format!("table t{n}"),
                    &format!("left out: it points to public.x{n}, which does not come"),
                )
            })
            .collect();
        findings.push(
            Finding::new(Severity::Decision, "index i", "has no counterpart").remedy("drop it"),
        );
        let mut out = String::new();
        text(&mut out, &findings);
        assert!(out.lines().count() < 10, "{out}");
        for part in [
            "500 objects: left out: it points to … which does not come",
            "table t5 and 494 more",
            "index i: has no counterpart",
            "what to do: drop it",
        ] {
            assert!(out.contains(part), "{part}\n{out}");
        }
        assert!(out.find("index i") < out.find("500 objects"), "{out}");
    }

    #[test]
    fn what_needs_a_decision_is_always_named() {
        let decisions: Vec<Finding> = (0..50)
            .map(|n| {
                Finding::new(
                    Severity::Decision,
                    format!("index i{n}"),
                    "has no counterpart",
                )
            })
            .chain((0..50).map(|n| {
                Finding::new(
                    Severity::Decision,
                    format!("view v{n}"),
                    format!("needs public.t{n}"),
                )
            }))
            .collect();
        let mut out = String::new();
        text(&mut out, &decisions);
        for n in 0..50 {
            assert!(
                out.contains(&format!("index i{n}")) && out.contains(&format!("needs public.t{n}")),
                "{out}"
            );
        }
    }

    #[test]
    fn notes_of_too_many_kinds_end_with_their_number() {
        let kinds = ["one", "two", "three", "four", "five", "six", "seven"];
        let notes: Vec<Finding> = kinds
            .iter()
            .flat_map(|a| {
                kinds
                    .iter()
                    .map(move |b| note("object", &format!("is {a} and {b}")))
            })
            .collect();
        let mut out = String::new();
        text(&mut out, &notes);
        assert!(out.contains("and 19 more notes"), "{out}");
    }
}
