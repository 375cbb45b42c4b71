// Not run by the project's tests: needs an Android device.
package io.hetvs.selftest

import android.app.Activity
import android.os.Bundle
import android.util.Log
import android.widget.TextView
import java.io.File

/** Runs the self-test on the kit in files/kit when it is opened; the verdict goes to the screen and to logcat. */
class MainActivity : Activity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        val faults = try {
            SelfTest(File(filesDir, "kit")).run()
        } catch (error: Exception) {
            listOf(error.toString())
        }
        faults.forEach { Log.i("hetvs", it) }
        Log.i("hetvs", if (faults.isEmpty()) "PASSED" else "FAILED")
        setContentView(TextView(this).apply { text = if (faults.isEmpty()) "PASSED" else faults.joinToString("\n") })
    }
}
