"""check_layers.py finds what it is there to find."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "check"))
import check_layers  # noqa: E402

LAYERS = check_layers.read_layers("""# comment
base:
tensor: base
kernels: tensor
kernels/cpu: kernels
seam: private tensor
tasks: seam
tasks (tests): kernels/cpu
api: kernels/cpu
""")


def faults_of(path, text):
    return check_layers.check_source(path, text, LAYERS)


class CheckLayersTest(unittest.TestCase):
    def assert_fault(self, faults, part):
        self.assertEqual(len(faults), 1, faults)
        self.assertIn(part, faults[0])

    def test_closure_is_transitive(self):
        self.assertEqual(check_layers.closure(LAYERS, "kernels"), {"kernels", "tensor", "base"})
        self.assertEqual(faults_of("src/kernels/x.cc", '#include "base/error.h"\n'), [])

    def test_upward_include_is_a_fault(self):
        self.assert_fault(faults_of("src/tensor/x.h", '#include "kernels/x.h"\n'),
                          "'tensor' may not include kernels/x.h")

    def test_unknown_module_is_a_fault(self):
        self.assert_fault(faults_of("src/extra/x.cc", ""), "no row")

    def test_third_party_stays_in_its_file(self):
        self.assertEqual(faults_of("src/base/json_reader.cc", "#include <simdjson.h>\n"), [])
        self.assert_fault(faults_of("src/base/error.cc", "#include <simdjson.h>\n"), "json_reader")
        self.assert_fault(faults_of("src/base/error.h", "#include <zlib.h>\n"), "zlib")
        self.assert_fault(faults_of("src/base/error.cc", "#include <zstd.h>\n"), "zstd.h")

    def test_platform_headers_pass(self):
        text = "#include <vector>\n#include <sys/mman.h>\n#include <unistd.h>\n"
        self.assertEqual(faults_of("src/base/file.cc", text), [])

    def test_isa_file_includes_its_contract_only(self):
        path = "src/kernels/cpu/gemm_f32/gemm_f32_avx2.cc"
        good = ('#include "kernels/cpu/gemm_f32/gemm_f32.h"\n#include <immintrin.h>\n'
                '#include "kernels/cpu/gemm_f32/gemm_f32-inl.h"\n#include <cstdint>\n')
        self.assertEqual(faults_of(path, good), [])
        self.assert_fault(faults_of(path, "#include <algorithm>\n"), "per-ISA")
        self.assert_fault(faults_of(path, '#include "base/error.h"\n'), "per-ISA")

    def test_public_header_is_standard_library_only(self):
        self.assertEqual(faults_of("include/tamis/a.h", '#include "tamis/b.h"\n'), [])
        self.assert_fault(faults_of("include/tamis/a.h", '#include "base/error.h"\n'), "public")
        self.assert_fault(faults_of("src/tensor/a.h", '#include "tamis/model.h"\n'), "public API")
        self.assertEqual(faults_of("src/tensor/a.h", '#include "tamis/results.h"\n'), [])

    def test_the_longest_row_counts(self):
        self.assertEqual(faults_of("src/kernels/cpu/x/x.cc", '#include "kernels/a.h"\n'), [])
        self.assert_fault(faults_of("src/kernels/x.cc", '#include "kernels/cpu/a.h"\n'),
                          "'kernels' may not include kernels/cpu/a.h")

    def test_private_arrows_are_not_passed_on(self):
        text = '#include "tensor/x.h"\n'
        self.assertEqual(faults_of("src/seam/x.cc", text), [])
        self.assert_fault(faults_of("src/tasks/x.cc", text), "'tasks' may not include tensor/x.h")

    def test_what_only_tests_may_use(self):
        text = '#include "kernels/cpu/x.h"\n'
        self.assertEqual(faults_of("src/tasks/x_test.cc", text), [])
        self.assert_fault(faults_of("src/tasks/x.cc", text), "'tasks' may not include kernels/cpu")

    def test_cmake_links_by_the_rows(self):
        def cmake(text):
            return check_layers.check_cmake("src/x/CMakeLists.txt", text, LAYERS)
        self.assertEqual(cmake("tamis_module(tensor SOURCES a.cc)"), [])
        self.assert_fault(cmake("tamis_module(tensor SOURCES a.cc USES base)"), "no USES")
        self.assert_fault(cmake("tamis_module(tensor SOURCES a.cc LIBRARIES tamis_api)"),
                          "may not link tamis_api")
        self.assertEqual(
            cmake("tamis_module(tasks SOURCES a.cc TEST_LIBRARIES tamis_kernels_cpu)"), [])
        self.assert_fault(cmake("tamis_module(tasks SOURCES a.cc LIBRARIES tamis_kernels_cpu)"),
                          "may not link tamis_kernels_cpu")
        self.assert_fault(cmake("tamis_module(other SOURCES a.cc)"), "no row")

    def test_the_diagram_is_drawn_from_the_rows(self):
        layers = check_layers.read_layers("a:\nb: private a\nc: b\n")
        drawn = check_layers.diagram(layers)
        self.assertIn("  b -.-> a\n  c --> b\n", drawn)
        self.assertEqual(check_layers.check_diagram("page.md", f"before\n{drawn}\nafter", layers),
                         [])
        self.assert_fault(
            check_layers.check_diagram("page.md", drawn.replace("c --> b", "c --> a"), layers),
            "--write-diagram")

    def test_circles_are_faults(self):
        layers = check_layers.read_layers("a: b\nb: a\nc: d\n")
        self.assertEqual(len(check_layers.check_rows(layers)), 3)
        layers = check_layers.read_layers("a: private b\nb: a\nc (tests): a\n")
        self.assertEqual(len(check_layers.check_rows(layers)), 3)


if __name__ == "__main__":
    unittest.main()
