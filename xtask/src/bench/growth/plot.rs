//! The drawing: four panels with logarithmic axes.

use std::path::Path;

use plotters::coord::combinators::IntoLogRange;
use plotters::prelude::*;

use crate::failure::Failure;

use super::contenders::CONTENDERS;
use super::{Deed, Point, SIZES};

/// Width and height in pixels.
const SIZE: (u32, u32) = (1000, 800);

/// Told apart by people who see no red or no green, too (Okabe and Ito's palette, without its yellow).
const COLOURS: [RGBColor; CONTENDERS.len()] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(86, 180, 233),
    RGBColor(204, 121, 167),
    RGBColor(90, 90, 90),
];

/// Draws the points into an SVG file.
///
/// # Errors
///
/// When the file cannot be written.
pub fn draw(points: &[Point], file: &Path) -> Result<(), Failure> {
    try_draw(points, file).map_err(|error| Failure::new(format!("{}: {error}", file.display())))
}

fn try_draw(points: &[Point], file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    // Legible whatever is behind it.
    area.fill(&WHITE)?;
    for (panel, deed) in area.split_evenly((2, 2)).iter().zip(Deed::ALL) {
        let of_deed: Vec<&Point> = points.iter().filter(|point| point.deed == deed).collect();
        let millis = |point: &&Point| point.time.as_secs_f64() * 1e3;
        let (low, high) =
            of_deed.iter().map(millis).fold((1.0_f64, 10.0_f64), |(low, high), time| (low.min(time), high.max(time)));
        let last = *SIZES.last().unwrap_or(&1) as f64;
        let mut chart = ChartBuilder::on(panel)
            .caption(format!("{} (ms)", deed.title()), ("sans-serif", 16))
            .margin(10)
            .x_label_area_size(34)
            .y_label_area_size(52)
            .build_cartesian_2d((1.0..last).log_scale(), (low * 0.8..high * 1.3).log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("secrets")
            .x_label_formatter(&|secrets| format!("{secrets:.0}"))
            .y_label_formatter(&|millis| format!("{millis}"))
            .label_style(("sans-serif", 12))
            .draw()?;
        for (contender, colour) in CONTENDERS.iter().zip(COLOURS) {
            let line: Vec<(f64, f64)> = of_deed
                .iter()
                .filter(|point| point.program == contender.name)
                .map(|point| (point.secrets as f64, millis(point)))
                .collect();
            if line.is_empty() {
                continue;
            }
            let style = colour.stroke_width(if contender.name == CONTENDERS[0].name { 3 } else { 2 });
            chart
                .draw_series(LineSeries::new(line.clone(), style))?
                .label(contender.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
            chart.draw_series(line.into_iter().map(|at| Circle::new(at, 3, colour.filled())))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .label_font(("sans-serif", 12))
            .draw()?;
    }
    area.present()?;
    Ok(())
}
