"""SYCL without a SYCL compiler: the host compiler and the wheels of ``pip install 'pysofie[sycl]'``.

No package registry ships a SYCL compiler, but Intel's run-time wheel carries the device compiler as a
library. Here it makes the SPIR-V and the integration header of an unmodified source; the host compiler
does the rest; a small object registers the SPIR-V as a compiler's own start-up code would. That
registration is a private interface of libsycl, so this route is taken only where `PYSOFIE_SYCL_ROOT` asks
for it, and only with the release of the wheels it was written for. It is how pysofie tests its SYCL code
on machines without a SYCL compiler; for anything else, take a real one.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pysofie import cache
from pysofie.errors import CompileError
from pysofie.toolchains.host import find, run

LIBSYCL = "libsycl.so.9.0.0"
WHEELS = "intel-sycl-rt 2026.2"

# The drivers that libsycl opens find these only if they are loaded already: none of them says where to look.
_NEEDED_BY_DRIVERS = ("libintlc.so.5", "libirng.so", "libimf.so", "libsvml.so", "libtbb.so.12")

_WRAPPER = """\
#include <cstddef>
#include <cstdint>
#include <cstdlib>
struct Entry {{ void* address; const char* name; std::size_t size; std::int32_t flags, reserved; }};
struct Image {{
  std::uint16_t version; std::uint8_t kind, format; const char *target, *compile_options, *link_options;
  const unsigned char *begin, *end; const Entry *entries_begin, *entries_end;
  void *properties_begin, *properties_end;
}};
struct Binary {{ std::uint16_t version, count; const Image* images; void *host_begin, *host_end; }};
extern "C" {{
void __sycl_register_lib(const void*);
void __sycl_unregister_lib(const void*);
{externs}
}}
{entries}
static const Image images[] = {{{images}}};
static const Binary binary = {{1, {count}, images, nullptr, nullptr}};
__attribute__((constructor)) static void enter() {{
  setenv("OCL_ICD_VENDORS", "{vendors}", 0);
  __sycl_register_lib(&binary);
}}
__attribute__((destructor)) static void leave() {{ __sycl_unregister_lib(&binary); }}
"""


def build(root: Path, source: Path, output: Path, options: Sequence[str]) -> None:
    """Compile a SYCL source with the wheels under an environment.

    Parameters
    ----------
    root : pathlib.Path
        The environment that holds the wheels (its ``lib`` and ``include``).
    source, output : pathlib.Path
        The C++ file, and the program or (with ``-shared``) library to write.
    options : sequence of str
        Options of the host compiler; ``-I``, ``-isystem``, ``-D`` and ``-U`` reach the device
        compiler too.

    Raises
    ------
    CompileError
        If the wheels are absent or of another release, or a compiler refuses the source.
    """
    if not (root / "lib" / LIBSYCL).exists():
        raise CompileError(
            f"PYSOFIE_SYCL_ROOT={root} does not hold {WHEELS}: pip install 'pysofie[sycl]' there"
        )
    compiler = find().command
    host = [*compiler, "-std=c++17", "-fPIC", "-DSYCL_DISABLE_FSYCL_SYCLHPP_WARNING"]
    host += ["-isystem", str(root / "include")]
    link = [f"-L{root}/lib", f"-Wl,--disable-new-dtags,-rpath,{root}/lib", "-lsycl"]
    tools = _tools(root, host, link)
    link += ["-Wl,--no-as-needed", *(f"-l:{name}" for name in _NEEDED_BY_DRIVERS)]
    defines, libraries = _mkl(root)
    options = [*defines, *options]
    libraries += [option for option in options if option.startswith(("-L", "-l", "-Wl", "-shared"))]
    with tempfile.TemporaryDirectory(prefix="pysofie-sycl-") as name:
        work = Path(name)
        integration = work / "integration.h"
        environment = [f"OCL_ICD_VENDORS={tools}", "SYCL_DUMP_IMAGES=1", "SYCL_CACHE_PERSISTENT=0"]
        device = ["env", *environment, str(tools / "device_compiler"), str(source)]
        run([*device, *_device_options(root, source, options, integration)], integration)
        wrapper = work / "wrapper.cpp"
        wrapper.write_text(_wrapper_source(sorted(work.glob("*.spv")), tools))
        host += [option for option in options if option != "-shared"] + ["-c", "-o"]
        run([*host, "host.o", "-include", str(integration), str(source)], wrapper)
        run([*host, "wrapper.o", str(wrapper)], wrapper)
        run([*compiler, "host.o", "wrapper.o", "-o", str(output), *libraries, *link], wrapper)


def _tools(root: Path, host: Sequence[str], link: Sequence[str]) -> Path:
    """The folder with the two files that the wheels lack, made once.

    They are the device compiler as a program, and the file by which the OpenCL loader finds the CPU's driver.
    """
    source = Path(__file__).with_name("sycl_device.cpp")

    def make(folder: Path) -> None:
        (folder / "intel.icd").write_text(f"{root}/lib/libintelocl.so\n")
        run([*host, "-O1", str(source), "-o", str(folder / "device_compiler"), *link], folder / "source")

    return cache.fetch(cache.key(root, source.read_text(), *host), make)


def _mkl(root: Path) -> tuple[list[str], list[str]]:
    """Options and libraries for oneMKL, if its wheels are there as well."""
    if not (root / "include" / "oneapi" / "mkl" / "blas.hpp").exists():
        return [], []
    libraries = ("mkl_sycl_blas.so.6", "mkl_intel_ilp64.so.3", "mkl_tbb_thread.so.3", "mkl_core.so.3")
    return ["-DSOFIE_SYCL_MKL", "-DMKL_ILP64"], [f"-l:lib{name}" for name in libraries]


def _device_options(root: Path, source: Path, options: Sequence[str], integration: Path) -> list[str]:
    shared: list[str] = []
    for previous, option in zip(["", *options], options, strict=False):
        if previous == "-isystem":
            shared.append(f"-I{option}")
        elif option.startswith(("-I", "-D", "-U")):
            shared.append(option)
    fixed = ["-fno-sycl-dead-args-optimization", "-fno-sycl-unnamed-lambda", "-ffp-model=precise", "-w"]
    header = ["-Xclang", f"-fsycl-int-header={integration}"]
    return [f"-I{source.parent}", f"-I{root / 'include'}", *fixed, *header, *shared]


def _kernel_names(image: Path) -> list[str]:
    """The entry points of a SPIR-V module."""
    entry_point = 15
    words = struct.unpack(f"<{image.stat().st_size // 4}I", image.read_bytes())
    names, position = [], 5
    while position < len(words):
        length, operation = words[position] >> 16, words[position] & 0xFFFF
        if operation == entry_point:
            text = struct.pack(f"<{length - 3}I", *words[position + 3 : position + length])
            names.append(text.split(b"\0")[0].decode())
        position += length
    return names


def _wrapper_source(images: Sequence[Path], vendors: Path) -> str:
    """The C++ source that embeds the images and hands them to libsycl when the library is loaded."""
    externs, entries, rows = [], [], []
    for i, image in enumerate(images):
        externs.append(
            f'asm(".section .rodata\\n.balign 16\\nimage{i}_begin: .incbin \\"{image}\\"\\n"\n'
            f'    "image{i}_end:\\n.previous");\n'
            f"extern const unsigned char image{i}_begin[], image{i}_end[];"
        )
        names = ", ".join(f'{{nullptr, "{name}", 0, 0, 0}}' for name in _kernel_names(image))
        entries.append(f"static const Entry entries{i}[] = {{{names}}};")
        rows.append(
            f'{{3, 4, 2, "spir64", "", "", image{i}_begin, image{i}_end, '
            f"entries{i}, entries{i} + sizeof entries{i} / sizeof *entries{i}, nullptr, nullptr}}"
        )
    return _WRAPPER.format(
        externs="\n".join(externs), entries="\n".join(entries), images=", ".join(rows), count=len(rows),
        vendors=vendors,
    )  # fmt: skip
