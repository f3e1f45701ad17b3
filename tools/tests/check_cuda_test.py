"""tools/check/cuda: what is read of nvcc's report and of a disassembly, and what is a fault."""

import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "check" / "cuda"))
import check_cuda  # noqa: E402
import sass  # noqa: E402

REPORT = """\
ptxas info    : Compiling entry function 'tamis_gemm_s8_large_gelu' for 'sm_86'
ptxas info    : Function properties for tamis_gemm_s8_large_gelu
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 128 registers, used 1 barriers, 496 bytes cmem[0]
ptxas info    : Compiling entry function 'tamis_select' for 'sm_86'
ptxas info    : Function properties for tamis_select
    8 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 40 registers, 376 bytes cmem[0]
"""

# A loop of 2 IMMA, LDSM, LDGSTS, BRA, with a loop of copies before it; behind it two ways, of three
# instructions and of one, then a call and EXIT; a function that is called.
CODE = """\
//--------------------- .text.tamis_gemm_s8_large_gelu
\t.section\t.text.tamis_gemm_s8_large_gelu,"ax",@progbits
        .type           tamis_gemm_s8_large_gelu,@function
.text.tamis_gemm_s8_large_gelu:
        /*0000*/                   MOV R1, c[0x0][0x28] ;
.L_x_0:
        /*0010*/              @!P0 LDGSTS.E.BYPASS.128 [R0], [R4.64] ;
        /*0020*/               @P0 BRA `(.L_x_0) ;
.L_x_1:
        /*0030*/                   LDSM.16.M88.4 R96, [R3+0x8000] ;
        /*0040*/                   IMMA.16832.U8.S8 R8, R32.reuse.ROW, R88.COL, R8 ;
        /*0050*/                   IMMA.16832.U8.S8 R72, R32.ROW, R90.COL, R72 ;
        /*0060*/                   LDGSTS.E.BYPASS.128 [R0+0x4000], [R104.64+0x80] ;
        /*0070*/              @!P1 BRA `(.L_x_2) ;
        /*0080*/                   BRA `(.L_x_1) ;
.L_x_2:
        /*0090*/               @P2 BRA `(.L_x_3) ;
        /*00a0*/                   FADD R1, R2, R3 ;
        /*00b0*/                   FADD R1, R2, R3 ;
        /*00c0*/                   BRA `(.L_x_4) ;
.L_x_3:
        /*00d0*/                   FMUL R1, R2, R3 ;
.L_x_4:
        /*00e0*/                   CALL.REL.NOINC `($tamis_gemm_s8_large_gelu$row) ;
        /*00f0*/                   EXIT ;
        .type           $tamis_gemm_s8_large_gelu$row,@function
$tamis_gemm_s8_large_gelu$row:
        /*0100*/                   STG.E [R2.64], R4 ;
        /*0110*/                   RET.REL.NODEC R2 `(tamis_gemm_s8_large_gelu) ;
.L_x_5:
        /*0120*/                   BRA `(.L_x_5);
        /*0130*/                   NOP;
.L_x_6:
//--------------------- .text.tamis_select
\t.section\t.text.tamis_select,"ax",@progbits
.text.tamis_select:
        /*0000*/                   LDL R1, [R1] ;
        /*0010*/                   EXIT ;
"""

ROW = check_cuda.Row("86", "gemm_s8_large_gelu", 128, {"IMMA": 9, "BRA": 1}, .9, 26.5)


def table_of(*lines):
    return check_cuda.read_table("\n".join(lines))


class Reading(unittest.TestCase):
    def test_registers_and_spills_of_each_kernel(self):
        found = sass.read_report(REPORT)
        self.assertEqual(found["tamis_gemm_s8_large_gelu"], sass.Resources(128, 0, 0))
        self.assertEqual(found["tamis_select"], sass.Resources(40, 20, 8))

    def test_the_main_loop_is_that_with_tensor_instructions(self):
        function = sass.read_disassembly(CODE)["tamis_gemm_s8_large_gelu"]
        loop = sass.main_loop(function)
        self.assertEqual(loop.counts, {"LDSM": 1, "IMMA": 2, "LDGSTS": 1, "BRA": 2})
        self.assertEqual((loop.tensor, loop.all), (2, 6))

    def test_the_longest_way_takes_one_of_two_branches_and_no_called_function(self):
        function = sass.read_disassembly(CODE)["tamis_gemm_s8_large_gelu"]
        # BRA, FADD, FADD, BRA, CALL, EXIT.
        self.assertEqual(sass.longest_way(function, sass.main_loop(function).end), 6)

    def test_a_kernel_without_tensor_instructions_has_no_main_loop(self):
        self.assertIsNone(sass.main_loop(sass.read_disassembly(CODE)["tamis_select"]))

    def test_rows(self):
        gemm, select = check_cuda.measure("86", REPORT, CODE)
        self.assertEqual((gemm.registers, gemm.tensor_share, gemm.blocks), (128, .333, 2))
        self.assertEqual(gemm.faults, ())
        self.assertEqual(select.faults, ("20 bytes spilled", "1 LDL and STL"))

    def test_a_product_without_tensor_instructions_is_a_fault(self):
        rows = check_cuda.measure("86", REPORT, CODE.replace("IMMA", "IMAD"))
        self.assertIn("no loop with IMMA, HMMA or IGMMA", rows[0].faults)


    def test_a_wgmma_that_ptxas_serializes_is_a_fault(self):
        said = ("ptxas info    : (C7515) Potential Performance Loss: wgmma.mma_async instructions are "
                "serialized due to reasons in the function 'tamis_gemm_s8_large_gelu'\n")
        rows = check_cuda.measure("90a", said + REPORT, CODE)
        self.assertEqual(rows[0].faults, ("ptxas: (C7515) Potential Performance Loss: "
                                          "wgmma.mma_async instructions are serialized due to reasons",))
        self.assertEqual(rows[1].faults, ("20 bytes spilled", "1 LDL and STL"))


class Faults(unittest.TestCase):
    LINE = "86 gemm_s8_large_gelu 128 0.900 26.5"

    def test_what_is_as_the_table_says_is_none(self):
        self.assertEqual(check_cuda.faults_of([ROW], table_of(self.LINE), ["86"]), [])

    def test_more_than_the_table_has(self):
        row = ROW._replace(registers=129, tensor_share=.8, epilogue=26.6)
        text = "\n".join(check_cuda.faults_of([row], table_of(self.LINE), ["86"]))
        self.assertIn("129 registers, over 128", text)
        self.assertIn("0.8 of the main loop are tensor instructions, under 0.9", text)
        self.assertIn("26.6 instructions a result, over 26.5", text)
        self.assertIn("goal: gemm_s8_large_gelu: 1 blocks a multiprocessor, not 2", text)

    def test_goals_hold_whatever_the_table_says(self):
        row = ROW._replace(tensor_share=.2, epilogue=30.0)
        faults = check_cuda.faults_of([row], table_of("86 gemm_s8_large_gelu 255 0.1 99"), ["86"])
        self.assertEqual(len(faults), 2, faults)

    def test_rows_and_kernels_without_each_other(self):
        faults = check_cuda.faults_of([ROW], table_of("86 gone 32 - -", "75 other 32 - -"), ["86"])
        self.assertEqual(faults, ["sm_86 gemm_s8_large_gelu: no row in kernels.txt",
                                  "kernels.txt: sm_86 gone is no kernel"])

    def test_a_table_that_is_written_is_read(self):
        table = check_cuda.read_table(check_cuda.write_table([ROW]))
        self.assertEqual(check_cuda.faults_of([ROW], table, ["86"]), [])

    def test_a_line_that_is_no_row(self):
        with self.assertRaisesRegex(ValueError, "kernels.txt:1"):
            table_of("86 gemm_s8_large 128")


class Table(unittest.TestCase):
    def test_the_committed_table_reaches_the_goals(self):
        table = check_cuda.read_table(check_cuda.TABLE.read_text())
        self.assertEqual(check_cuda.missed_goals(table.values()), [])
        self.assertEqual({target for target, _ in table}, set(check_cuda.TARGETS))
        for goal in check_cuda.GOALS:
            self.assertIn(goal, table)

    def test_each_row_of_kernels_inc_is_in_it(self):
        lines = (ROOT / "src/kernels/cuda/kernels.inc").read_text().splitlines()
        table = check_cuda.read_table(check_cuda.TABLE.read_text())
        for target in check_cuda.TARGETS:
            starts = ("X(", "HOPPER(") if target == "90a" else "X("
            names = {line.split("(")[1].split(",")[0] for line in lines if line.startswith(starts)}
            self.assertEqual({kernel for other, kernel in table if other == target}, names)


if __name__ == "__main__":
    unittest.main()
