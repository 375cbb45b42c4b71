// Not run by the project's tests: needs an Android device.
package io.hetvs.selftest

import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtSession
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.json.JSONObject

/** Does this device give the golden vectors? Resizes golden images, runs the model, compares: as web/selftest.mjs. */
class SelfTest(private val kit: File) {
    private val card = JSONObject(File(kit, "card.json").readText())
    private val sizePx = card.getJSONObject("preprocess").getInt("size_px")
    private val export = card.getJSONObject("export")
    private val ids = export.getJSONArray("golden_ids")
    private val pixels = rows("golden_pixels", 1)
    private val vectors = rows("golden_vectors", 4)

    /** Return the faults, each a line that names image and amount: none, and the device is right. */
    fun run(): List<String> {
        val faults = mutableListOf<String>()
        val contract = card.getJSONObject("preprocess").getString("resize")
        if (contract != Resize.CONTRACT) faults += "card.json: resize contract $contract, this is ${Resize.CONTRACT}"
        val resized = resizedImages()
        for ((row, image) in resized.withIndex()) {
            val expected = pixels[row]
            val worst = largest(image.size) { (image[it].toInt() and 255) - (expected[it].toInt() and 255).toDouble() }
            val levels = "resized pixels differ by ${worst.toInt()} of 255 levels"
            if (worst > RESIZE_LEVELS) faults += "${ids.getString(row)}: $levels"
        }
        val tolerance = export.getDouble("tolerance")
        val environment = OrtEnvironment.getEnvironment()
        environment.createSession(File(kit, "model.onnx").path, OrtSession.SessionOptions()).use { session ->
            for (row in 0 until ids.length()) {
                // What was resized here goes on: the whole way from picture to vector is tested.
                val vector = embed(environment, session, resized.getOrElse(row) { pixels[row] })
                val expected = ByteBuffer.wrap(vectors[row]).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
                check(vector.size == expected.remaining()) { "the model gives ${vector.size} components" }
                val worst = largest(vector.size) { (vector[it] - expected.get(it)).toDouble() }
                val amount = "vector differs by $worst, tolerance $tolerance"
                if (!(worst <= tolerance)) faults += "${ids.getString(row)}: $amount"
            }
        }
        return faults
    }

    private fun resizedImages(): List<ByteArray> {
        val phone = card.getJSONObject("phone").getJSONObject("golden_images")
        val rgba = File(kit, phone.getString("file")).readBytes()
        val sizes = phone.getJSONArray("sizes")
        var start = 0
        return List(sizes.length()) { number ->
            val (width, height) = sizes.getJSONArray(number).let { it.getInt(0) to it.getInt(1) }
            val end = start + width * height * 4
            Resize.resize(rgba.copyOfRange(start, end), width, height, sizePx).also { start = end }
        }
    }

    private fun embed(environment: OrtEnvironment, session: OrtSession, image: ByteArray): FloatArray {
        val shape = longArrayOf(1, sizePx.toLong(), sizePx.toLong(), 3)
        val buffer = ByteBuffer.allocateDirect(image.size).order(ByteOrder.nativeOrder()).put(image)
        buffer.rewind()
        OnnxTensor.createTensor(environment, buffer, shape, OnnxJavaType.UINT8).use { input ->
            session.run(mapOf(session.inputNames.first() to input)).use { output ->
                @Suppress("UNCHECKED_CAST")
                return (output.get(0).value as Array<FloatArray>)[0]
            }
        }
    }

    private fun rows(name: String, bytesPerValue: Int): List<ByteArray> {
        val phone = card.getJSONObject("phone").getJSONObject(name)
        val shape = phone.getJSONArray("shape")
        val length = (1 until shape.length()).fold(bytesPerValue) { product, axis -> product * shape.getInt(axis) }
        val flat = File(kit, phone.getString("file")).readBytes()
        require(flat.size == length * shape.getInt(0)) { "$name: ${flat.size} bytes do not fit the side-car" }
        return List(shape.getInt(0)) { row -> flat.copyOfRange(row * length, (row + 1) * length) }
    }

    /** The largest of `size` absolute differences; NaN when one of them is. */
    private fun largest(size: Int, difference: (Int) -> Double): Double =
        (0 until size).fold(0.0) { worst, i -> Math.max(worst, Math.abs(difference(i))) }

    private companion object {
        const val RESIZE_LEVELS = 1 // of 255: what docs/resize.md allows a port to differ by
    }
}
