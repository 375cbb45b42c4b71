// Not run on Android by the project's tests, which need no device; compiled and compared on a JVM where kotlinc is there.
package io.hetvs.selftest

/** The resize contract `pad-bilinear-antialias-1` (docs/resize.md), equal to the last bit to web/resize.mjs. */
object Resize {
    const val CONTRACT = "pad-bilinear-antialias-1"
    private const val WEIGHT_BITS = 22

    private class Image(val width: Int, val height: Int, val pixels: ByteArray)

    private class Taps(val first: Int, val weights: IntArray)

    /** Return sizePx * sizePx * 3 bytes RGB of upright RGBA with straight alpha, width * height * 4 bytes. */
    fun resize(rgba: ByteArray, width: Int, height: Int, sizePx: Int): ByteArray {
        require(rgba.isNotEmpty() && rgba.size == width * height * 4) { "no RGBA picture of $width x $height px" }
        val longer = maxOf(width, height)
        val picture = Image(width, height, onWhite(rgba))
        val across = scaleAcross(picture, scaledSide(width, longer, sizePx))
        return onSquare(scaleDown(across, scaledSide(height, longer, sizePx)), sizePx)
    }

    private fun onWhite(rgba: ByteArray): ByteArray {
        val rgb = ByteArray(rgba.size / 4 * 3)
        for (pixel in 0 until rgba.size / 4) {
            val alpha = rgba[pixel * 4 + 3].toInt() and 255
            for (c in 0 until 3) {
                val colour = rgba[pixel * 4 + c].toInt() and 255
                rgb[pixel * 3 + c] = ((2 * (colour * alpha + 255 * (255 - alpha)) + 255) / 510).toByte()
            }
        }
        return rgb
    }

    private fun scaledSide(side: Int, longer: Int, sizePx: Int): Int =
        maxOf(1L, (2L * side * sizePx + longer) / (2L * longer)).toInt()

    private fun taps(from: Int, to: Int): List<Taps> {
        val scale = from.toDouble() / to
        val reach = maxOf(scale, 1.0)
        val shrink = 1.0 / reach
        return List(to) { sample ->
            val centre = (sample + 0.5) * scale
            val first = maxOf(0, (centre - reach + 0.5).toInt())
            val last = minOf(from, (centre + reach + 0.5).toInt())
            val tent = DoubleArray(last - first) { maxOf(0.0, 1.0 - Math.abs((first + it - centre + 0.5) * shrink)) }
            var total = 0.0
            for (weight in tent) total += weight
            Taps(first, IntArray(tent.size) { (tent[it] / total * (1 shl WEIGHT_BITS) + 0.5).toInt() })
        }
    }

    private fun scaleAcross(image: Image, toWidth: Int): Image {
        if (toWidth == image.width) return image
        val pixels = ByteArray(toWidth * image.height * 3)
        taps(image.width, toWidth).forEachIndexed { x, tap ->
            for (y in 0 until image.height) {
                weighted(image.pixels, (y * image.width + tap.first) * 3, 3, tap.weights, pixels, (y * toWidth + x) * 3)
            }
        }
        return Image(toWidth, image.height, pixels)
    }

    private fun scaleDown(image: Image, toHeight: Int): Image {
        if (toHeight == image.height) return image
        val stride = image.width * 3
        val pixels = ByteArray(toHeight * stride)
        taps(image.height, toHeight).forEachIndexed { y, tap ->
            for (x in 0 until image.width) {
                weighted(image.pixels, tap.first * stride + x * 3, stride, tap.weights, pixels, y * stride + x * 3)
            }
        }
        return Image(image.width, toHeight, pixels)
    }

    private fun weighted(source: ByteArray, start: Int, step: Int, weights: IntArray, target: ByteArray, at: Int) {
        for (c in 0 until 3) {
            var sum = 1 shl (WEIGHT_BITS - 1)
            for (k in weights.indices) sum += (source[start + k * step + c].toInt() and 255) * weights[k]
            target[at + c] = maxOf(0, minOf(255, sum shr WEIGHT_BITS)).toByte()
        }
    }

    private fun onSquare(image: Image, sizePx: Int): ByteArray {
        val square = ByteArray(sizePx * sizePx * 3) { 255.toByte() }
        val left = (sizePx - image.width) / 2
        val top = (sizePx - image.height) / 2
        for (y in 0 until image.height) {
            val to = ((top + y) * sizePx + left) * 3
            System.arraycopy(image.pixels, y * image.width * 3, square, to, image.width * 3)
        }
        return square
    }
}
