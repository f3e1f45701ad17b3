# tamis_version_source(VARIABLE): the path of a version.cc that is written at each build.
function(tamis_version_source variable)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/version.cc)
  add_custom_target(tamis_write_version
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DOUTPUT=${output}
            -DTAMIS_VERSION=${PROJECT_VERSION} -P ${CMAKE_SOURCE_DIR}/cmake/WriteVersion.cmake
    BYPRODUCTS ${output}
    COMMENT "")
  set(${variable} ${output} PARENT_SCOPE)
endfunction()
