# Not run by the project's tests: needs an Android device.
# Usage: sh android/run.sh KIT [APK]. Needs adb and one device with USB debugging; without APK also gradle and the SDK.
# Installs the self-test, pushes the kit into it, starts it, prints its lines; exit 1 unless it passed.
set -eu
kit=${1:?usage: sh android/run.sh KIT [APK]}
here=$(dirname "$0")
app=io.hetvs.selftest
apk=${2:-$here/app/build/outputs/apk/debug/app-debug.apk}

[ $# -gt 1 ] || gradle --quiet --project-dir "$here" :app:assembleDebug
adb install -r "$apk" >/dev/null
adb shell "run-as $app mkdir -p files/kit"
for name in model.onnx card.json golden_images.rgba8 golden_pixels.rgb8 golden_vectors.f32; do
    adb push "$kit/$name" "/data/local/tmp/$name" >/dev/null
    adb shell "cat /data/local/tmp/$name | run-as $app sh -c 'cat > files/kit/$name'; rm /data/local/tmp/$name"
done

adb logcat -c
adb shell am force-stop $app
adb shell am start -W -n $app/.MainActivity >/dev/null
for _ in $(seq 60); do
    lines=$(adb logcat -d -v raw -s hetvs:I)
    case $lines in
        *PASSED*) echo "$lines"; exit 0 ;;
        *FAILED*) echo "$lines"; exit 1 ;;
    esac
    sleep 1
done
echo "no verdict after 60 s; see adb logcat" >&2
exit 1
