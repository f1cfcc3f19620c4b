# The script's output, and that of Python compiling part of its own library.
python3 -E "$LOADS/work.py" $SIZE >"$OUT/work"
mkdir lib
case $SIZE in
    short) cp /usr/lib/python3.11/a*.py lib ;;
    *) cp /usr/lib/python3.11/*.py /usr/lib/python3.11/json/*.py lib ;;
esac
python3 -m compileall -q --invalidation-mode unchecked-hash lib
cp lib/__pycache__/*.pyc "$OUT"
