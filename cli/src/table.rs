//! Tables that align, with colour that does not count as width.

use crate::output::{self, Style};

/// A cell: text and how it looks.
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A plain cell.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: Style::Plain }
    }

    /// A cell in a style.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

/// Renders rows for standard output: as a table, or, on a terminal that is too narrow for it, row by row.
pub fn render(heading: &[&str], rows: &[Vec<Cell>], coloured: bool) -> String {
    fit(heading, rows, coloured, output::stdout_width())
}

fn fit(heading: &[&str], rows: &[Vec<Cell>], coloured: bool, width: Option<usize>) -> String {
    let widths: Vec<usize> = (0..heading.len()).map(|at| column(heading[at], rows, at)).collect();
    let whole = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    match width {
        Some(width) if width < whole => rows.iter().map(|row| stacked(heading, row, coloured, width)).collect(),
        _ => table(heading, rows, coloured, &widths),
    }
}

/// Spaces between two columns.
const GAP: usize = 2;

/// The width of a column: that of its widest cell.
fn column(heading: &str, rows: &[Vec<Cell>], at: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.text.chars().count());
    cells.chain([heading.len()]).max().unwrap_or(0)
}

/// Rows under a heading; the last column is not padded.
fn table(heading: &[&str], rows: &[Vec<Cell>], coloured: bool, widths: &[usize]) -> String {
    let mut out = String::new();
    let mut line = |cells: &[(&str, Style)]| {
        for (at, (text, style)) in cells.iter().enumerate() {
            let last = at + 1 == cells.len();
            out.push_str(&style.paint(text, coloured));
            if !last {
                out.push_str(&" ".repeat(widths[at] - text.chars().count() + GAP));
            }
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    };
    line(&heading.iter().map(|text| (*text, Style::Bold)).collect::<Vec<_>>());
    for row in rows {
        line(&row.iter().map(|cell| (cell.text.as_str(), cell.style)).collect::<Vec<_>>());
    }
    out
}

/// One row without columns: what it is of, whole, for it may have to be copied; below it what is known, each with its
/// column's name, as many to a line as fit.
fn stacked(heading: &[&str], row: &[Cell], coloured: bool, width: usize) -> String {
    let Some((first, rest)) = row.split_first() else { return String::new() };
    let style = if first.style == Style::Plain { Style::Bold } else { first.style };
    let mut out = style.paint(&first.text, coloured);
    let mut taken = usize::MAX;
    for (name, cell) in heading.iter().skip(1).zip(rest) {
        if cell.text.is_empty() || cell.text == "-" {
            continue;
        }
        let name = name.to_ascii_lowercase();
        let length = name.chars().count() + 1 + cell.text.chars().count();
        if taken.saturating_add(2 + length) > width {
            out.push_str("\n  ");
            taken = 2 + length;
        } else {
            out.push_str(", ");
            taken += 2 + length;
        }
        out.push_str(&format!("{name} {}", cell.style.paint(&cell.text, coloured)));
    }
    out + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_end_without_spaces() {
        let rows =
            vec![vec![Cell::plain("a"), Cell::plain("x")], vec![Cell::styled("long", Style::Red), Cell::plain("")]];
        assert_eq!(fit(&["N", "M"], &rows, false, None), "N     M\na     x\nlong\n");
        assert_eq!(fit(&["N", "M"], &rows, false, Some(7)), "N     M\na     x\nlong\n");
        assert!(fit(&["N", "M"], &rows, true, None).contains("\x1b[1;31mlong\x1b[0m"));
    }

    #[test]
    fn a_row_that_does_not_fit_is_told_line_by_line_and_nothing_of_it_is_lost() {
        let row = ["stripe/api-key", "stripe", "2026-11-22", "-", "ci deploy", ""];
        let rows = vec![row.map(Cell::plain).into_iter().collect()];
        let heading = ["NAME", "GROUP", "ROTATED", "EXPIRES", "READERS", "DUE"];
        let narrow = fit(&heading, &rows, false, Some(40));
        assert_eq!(narrow, "stripe/api-key\n  group stripe, rotated 2026-11-22\n  readers ci deploy\n");
        assert!(
            fit(&heading, &rows, false, Some(8)).starts_with("stripe/api-key\n  group stripe\n"),
            "a name is never cut"
        );
    }
}
