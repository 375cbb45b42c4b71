// Not run by the project's tests: needs an iPhone, or a Mac with Xcode.

import Foundation
import OnnxRuntimeBindings

/// What card.json says, as far as the test reads it.
struct Card: Decodable {
    struct Preprocess: Decodable { let size_px: Int, resize: String }
    struct Export: Decodable { let golden_ids: [String], tolerance: Float }
    struct Images: Decodable { let file: String, sizes: [[Int]] }
    struct Rows: Decodable { let file: String, shape: [Int] }
    struct Phone: Decodable { let golden_images: Images, golden_pixels: Rows, golden_vectors: Rows }

    let preprocess: Preprocess
    let export: Export
    let phone: Phone
}

/// Does this device give the golden vectors? Resizes the golden images, runs the model, compares; as web/selftest.mjs.
struct SelfTest {
    private static let resizeLevels: Float = 1  // of 255: what docs/resize.md allows a port to differ by
    let kit: URL

    /// Return the faults, each a line that names image and amount: none, and the device is right.
    func run() throws -> [String] {
        let card = try JSONDecoder().decode(Card.self, from: Data(contentsOf: kit.appendingPathComponent("card.json")))
        let pixels = try rows(card.phone.golden_pixels, bytesPerValue: 1)
        let vectors = try rows(card.phone.golden_vectors, bytesPerValue: 4).map(littleEndianFloats)
        var faults: [String] = []
        if card.preprocess.resize != Resize.contract {
            faults.append("card.json: resize contract \(card.preprocess.resize), this is \(Resize.contract)")
        }
        let resized = try resizedImages(card)
        for (row, image) in resized.enumerated() {
            let worst = largestDifference(image.map(Float.init), pixels[row].map(Float.init))
            if worst > Self.resizeLevels {
                faults.append("\(card.export.golden_ids[row]): resized pixels differ by \(worst) of 255 levels")
            }
        }
        let environment = try ORTEnv(loggingLevel: .warning)
        let model = kit.appendingPathComponent("model.onnx").path
        let session = try ORTSession(env: environment, modelPath: model, sessionOptions: ORTSessionOptions())
        for (row, id) in card.export.golden_ids.enumerated() {
            // What was resized here goes on: the whole way from picture to vector is tested.
            let image = row < resized.count ? resized[row] : pixels[row]
            let vector = try embed(session, image, card.preprocess.size_px)
            let worst = largestDifference(vector, vectors[row])
            if worst > card.export.tolerance {
                faults.append("\(id): vector differs by \(worst), tolerance \(card.export.tolerance)")
            }
        }
        return faults
    }

    private func resizedImages(_ card: Card) throws -> [[UInt8]] {
        let rgba = try [UInt8](Data(contentsOf: kit.appendingPathComponent(card.phone.golden_images.file)))
        var start = 0
        return card.phone.golden_images.sizes.map { size in
            let end = start + size[0] * size[1] * 4
            defer { start = end }
            let picture = Array(rgba[start..<end])
            return Resize.resize(picture, width: size[0], height: size[1], sizePx: card.preprocess.size_px)
        }
    }

    private func embed(_ session: ORTSession, _ image: [UInt8], _ sizePx: Int) throws -> [Float] {
        let shape = [1, sizePx, sizePx, 3].map { NSNumber(value: $0) }
        let data = NSMutableData(data: Data(image))
        let input = try ORTValue(tensorData: data, elementType: .uInt8, shape: shape)
        let output = try session.run(withInputs: ["pixels": input], outputNames: ["embedding"], runOptions: nil)
        guard let vector = output["embedding"] else { throw CocoaError(.coderValueNotFound) }
        return littleEndianFloats([UInt8](try vector.tensorData() as Data))  // every iPhone is little-endian
    }

    /// Largest absolute difference; infinite when the lengths differ or a value is no number.
    private func largestDifference(_ actual: [Float], _ expected: [Float]) -> Float {
        if actual.count != expected.count { return .infinity }
        return zip(actual, expected).reduce(Float(0)) { worst, pair in
            let difference = abs(pair.0 - pair.1)
            return difference.isNaN ? .infinity : max(worst, difference)
        }
    }

    private func rows(_ part: Card.Rows, bytesPerValue: Int) throws -> [[UInt8]] {
        let flat = try [UInt8](Data(contentsOf: kit.appendingPathComponent(part.file)))
        let length = part.shape.dropFirst().reduce(bytesPerValue, *)
        precondition(flat.count == length * part.shape[0], "\(part.file): \(flat.count) bytes do not fit the side-car")
        return (0..<part.shape[0]).map { Array(flat[($0 * length)..<(($0 + 1) * length)]) }
    }

    private func littleEndianFloats(_ bytes: [UInt8]) -> [Float] {
        stride(from: 0, to: bytes.count, by: 4).map { at in
            let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) }
            return Float(bitPattern: bits)
        }
    }
}
