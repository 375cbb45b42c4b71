// Not run by the project's tests: needs an iPhone, or a Mac with Xcode.

/// The resize contract `pad-bilinear-antialias-1` (docs/resize.md), after web/resize.mjs.
enum Resize {
    static let contract = "pad-bilinear-antialias-1"
    private static let weightBits = 22

    private struct Image {
        let width: Int
        let height: Int
        var pixels: [UInt8]
    }

    /// Return sizePx * sizePx * 3 bytes RGB of upright RGBA with straight alpha, width * height * 4 bytes.
    static func resize(_ rgba: [UInt8], width: Int, height: Int, sizePx: Int) -> [UInt8] {
        precondition(!rgba.isEmpty && rgba.count == width * height * 4, "no RGBA picture of \(width) x \(height) px")
        let longer = max(width, height)
        let picture = Image(width: width, height: height, pixels: onWhite(rgba))
        let across = scaleAcross(picture, to: scaledSide(width, longer, sizePx))
        return onSquare(scaleDown(across, to: scaledSide(height, longer, sizePx)), sizePx)
    }

    private static func onWhite(_ rgba: [UInt8]) -> [UInt8] {
        var rgb = [UInt8](repeating: 0, count: rgba.count / 4 * 3)
        for pixel in 0..<(rgba.count / 4) {
            let alpha = Int(rgba[pixel * 4 + 3])
            for c in 0..<3 {
                let colour = Int(rgba[pixel * 4 + c])
                rgb[pixel * 3 + c] = UInt8((2 * (colour * alpha + 255 * (255 - alpha)) + 255) / 510)
            }
        }
        return rgb
    }

    private static func scaledSide(_ side: Int, _ longer: Int, _ sizePx: Int) -> Int {
        max(1, (2 * side * sizePx + longer) / (2 * longer))
    }

    private static func taps(from: Int, to: Int) -> [(first: Int, weights: [Int])] {
        let scale = Double(from) / Double(to)
        let reach = max(scale, 1.0)
        let shrink = 1.0 / reach
        return (0..<to).map { sample in
            let centre = (Double(sample) + 0.5) * scale
            let first = max(0, Int(centre - reach + 0.5))
            let last = min(from, Int(centre + reach + 0.5))
            let tent = (first..<last).map { max(0.0, 1.0 - abs((Double($0) - centre + 0.5) * shrink)) }
            let total = tent.reduce(0.0, +)
            return (first, tent.map { Int($0 / total * Double(1 << weightBits) + 0.5) })
        }
    }

    private static func scaleAcross(_ image: Image, to width: Int) -> Image {
        if width == image.width { return image }
        var pixels = [UInt8](repeating: 0, count: width * image.height * 3)
        for (x, tap) in taps(from: image.width, to: width).enumerated() {
            for y in 0..<image.height {
                let start = (y * image.width + tap.first) * 3
                weigh(image.pixels, start, step: 3, tap.weights, into: &pixels, at: (y * width + x) * 3)
            }
        }
        return Image(width: width, height: image.height, pixels: pixels)
    }

    private static func scaleDown(_ image: Image, to height: Int) -> Image {
        if height == image.height { return image }
        let stride = image.width * 3
        var pixels = [UInt8](repeating: 0, count: height * stride)
        for (y, tap) in taps(from: image.height, to: height).enumerated() {
            for x in 0..<image.width {
                let start = tap.first * stride + x * 3
                weigh(image.pixels, start, step: stride, tap.weights, into: &pixels, at: y * stride + x * 3)
            }
        }
        return Image(width: image.width, height: height, pixels: pixels)
    }

    private static func weigh(
        _ source: [UInt8], _ start: Int, step: Int, _ weights: [Int], into target: inout [UInt8], at: Int
    ) {
        for c in 0..<3 {
            var sum = 1 << (weightBits - 1)
            for (k, weight) in weights.enumerated() {
                sum += Int(source[start + k * step + c]) * weight
            }
            target[at + c] = UInt8(max(0, min(255, sum >> weightBits)))
        }
    }

    private static func onSquare(_ image: Image, _ sizePx: Int) -> [UInt8] {
        var square = [UInt8](repeating: 255, count: sizePx * sizePx * 3)
        let left = (sizePx - image.width) / 2
        let top = (sizePx - image.height) / 2
        for y in 0..<image.height {
            let from = y * image.width * 3
            let to = ((top + y) * sizePx + left) * 3
            square.replaceSubrange(to..<(to + image.width * 3), with: image.pixels[from..<(from + image.width * 3)])
        }
        return square
    }
}
