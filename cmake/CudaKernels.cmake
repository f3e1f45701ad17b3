# The kernels of src/kernels/cuda for cards, where nvcc is found: one fat binary, embedded. Sets
# TAMIS_CUDA_IMAGE to the sources that define kernel_image().
#
# TAMIS_CUDA: auto (if nvcc is there), on (it must be) or off. The program and its tests are the
# same in any: without the image there is no kernel for a card, and the engine says so.
set(TAMIS_CUDA auto CACHE STRING "Compile CUDA kernels: auto, on or off")
# Code for each of these, and PTX of compute_80 for cards that are not named.
set(TAMIS_CUDA_TARGETS 75 80 86 90a 120 CACHE STRING "Compute capabilities to compile for")

set(TAMIS_CUDA_IMAGE kernel_image_none.cc)
if(TAMIS_CUDA STREQUAL "off")
  return()
endif()
find_program(TAMIS_NVCC nvcc HINTS /usr/local/cuda/bin)
if(NOT TAMIS_NVCC)
  if(TAMIS_CUDA STREQUAL "on")
    message(FATAL_ERROR "TAMIS_CUDA=on, but there is no nvcc; put it into PATH, or say TAMIS_CUDA=auto")
  endif()
  return()
endif()

set(TAMIS_CUDA_SOURCE ${CMAKE_SOURCE_DIR}/src/kernels/cuda/kernels.cu)
set(TAMIS_CUDA_FLAGS -std=c++20 -O3 -fmad=false -Werror all-warnings
    -I${CMAKE_SOURCE_DIR}/src -I${CMAKE_SOURCE_DIR}/include)

# A command a target, so that cores share them; then one to join what they made.
set(images)
set(cubins)
foreach(target ${TAMIS_CUDA_TARGETS})
  set(cubin ${CMAKE_CURRENT_BINARY_DIR}/kernels_${target}.cubin)
  add_custom_command(OUTPUT ${cubin}
    COMMAND ${TAMIS_NVCC} -cubin -arch=sm_${target} ${TAMIS_CUDA_FLAGS} -MD -MF ${cubin}.d
            -o ${cubin} ${TAMIS_CUDA_SOURCE}
    DEPENDS ${TAMIS_CUDA_SOURCE} DEPFILE ${cubin}.d VERBATIM)
  list(APPEND cubins ${cubin})
  list(APPEND images --image3=kind=elf,sm=${target},file=${cubin})
endforeach()
set(ptx ${CMAKE_CURRENT_BINARY_DIR}/kernels_80.ptx)
add_custom_command(OUTPUT ${ptx}
  COMMAND ${TAMIS_NVCC} -ptx -arch=compute_80 ${TAMIS_CUDA_FLAGS} -MD -MF ${ptx}.d
          -o ${ptx} ${TAMIS_CUDA_SOURCE}
  DEPENDS ${TAMIS_CUDA_SOURCE} DEPFILE ${ptx}.d VERBATIM)

get_filename_component(nvcc_folder ${TAMIS_NVCC} REALPATH)
get_filename_component(nvcc_folder ${nvcc_folder} DIRECTORY)
find_program(TAMIS_FATBINARY fatbinary HINTS ${nvcc_folder} /usr/local/cuda/bin REQUIRED)
set(fatbin ${CMAKE_CURRENT_BINARY_DIR}/kernels.fatbin)
add_custom_command(OUTPUT ${fatbin}
  COMMAND ${TAMIS_FATBINARY} -64 --compress-mode=size --create=${fatbin} ${images}
          --image3=kind=ptx,sm=80,file=${ptx}
  DEPENDS ${cubins} ${ptx} VERBATIM)

enable_language(ASM)
set(assembler ${CMAKE_CURRENT_BINARY_DIR}/kernel_image.S)
file(CONFIGURE OUTPUT ${assembler} @ONLY CONTENT [[
.section .rodata
.balign 64
.globl tamis_cuda_image_begin
.hidden tamis_cuda_image_begin
.globl tamis_cuda_image_end
.hidden tamis_cuda_image_end
tamis_cuda_image_begin:
.incbin "@fatbin@"
tamis_cuda_image_end:
.byte 0
.section .note.GNU-stack,"",%progbits
]])
set_source_files_properties(${assembler} PROPERTIES OBJECT_DEPENDS ${fatbin} LANGUAGE ASM)
set(TAMIS_CUDA_IMAGE kernel_image_fatbin.cc ${assembler})
