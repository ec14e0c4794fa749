# packages.sh - sourced by tools/quickstart, tools/check, tools/docs and tools/fuzz: what they need of Debian, and how it is
# installed. Asks first when on a terminal, unless --yes was given.
# shellcheck disable=SC2034 # the scripts use the lists

packages_build="gcc libc6-dev make meson ninja-build pkg-config protobuf-c-compiler libprotobuf-c-dev libxxhash-dev libmd-dev libelf-dev libjansson-dev liblua5.4-dev
    llvm-19-dev lld-19 libjpeg62-turbo-dev libpng-dev libwebp-dev libtiff-dev libopenjp2-7-dev"
packages_test="libopenmpi-dev openmpi-bin git ccache python3-onnx python3-numpy libcriterion-dev clang-19 clang-format-19 qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross g++
    gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm gcc-mingw-w64-x86-64 wine64 chromium mypy flake8 shellcheck cmake debhelper dh-python dpkg-dev lintian python3-venv patchelf python3-pytest mandoc zsh fish"
packages_python="python3 python3-numpy"
packages_docs="python3-sphinx python3-myst-parser"
packages_fuzz="clang-19 libclang-rt-19-dev"

say() { printf '\n== %s\n' "$*"; }

missing_packages() {
    for p in "$@"; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$p"
    done
}

# install_packages YES PACKAGE...
install_packages() {
    yes=$1
    shift
    need=$(missing_packages "$@")
    [ -n "$need" ] || return 0
    say "Debian packages to install: $need"
    if [ "$yes" != yes ] && [ -t 0 ]; then
        printf 'Install them with apt-get? [Y/n] '
        read -r answer
        case $answer in [nN]*) echo "then nothing can be built"; exit 1 ;; esac
    fi
    root=
    [ "$(id -u)" = 0 ] || root=sudo
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    { $root apt-get update -qq && $root apt-get install -y -qq --no-install-recommends $need; } \
        >"${TMPDIR:-/tmp}/fovea-apt.log" 2>&1 || {
        tail -n 20 "${TMPDIR:-/tmp}/fovea-apt.log"
        echo "apt-get failed; the whole log is ${TMPDIR:-/tmp}/fovea-apt.log"
        exit 1
    }
}
