# The one library that ships: libtamis, made of all modules up to api, and what finds it.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# tamis_shipped_library(): call once all modules are known.
function(tamis_shipped_library)
  get_property(modules GLOBAL PROPERTY TAMIS_MODULES)
  get_property(libraries GLOBAL PROPERTY TAMIS_MODULE_LIBRARIES)
  list(FILTER modules EXCLUDE REGEX "^tamis_(serve|cli)")
  list(REMOVE_DUPLICATES libraries)

  add_library(libtamis SHARED)
  tamis_harden(libtamis)
  foreach(module ${modules})
    target_sources(libtamis PRIVATE $<TARGET_OBJECTS:${module}>)
  endforeach()
  # It downloads nothing unless the build asks for that: who links it need not have libcurl.
  set(transport tamis_no_transport)
  if(TAMIS_HUB_LIBRARY)
    set(transport tamis_curl_transport)
    list(APPEND libraries CURL::libcurl)
  endif()
  target_sources(libtamis PRIVATE $<TARGET_OBJECTS:${transport}> $<TARGET_OBJECTS:tamis_no_tables>)
  target_link_libraries(libtamis PRIVATE ${libraries} Threads::Threads)
  target_include_directories(libtamis INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>
                                                $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(libtamis INTERFACE cxx_std_20)
  set_target_properties(libtamis PROPERTIES
    OUTPUT_NAME tamis EXPORT_NAME tamis
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  # Only what is ours is seen from outside: no second fmt or simdjson in the user's program.
  target_link_options(libtamis PRIVATE
    -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/libtamis.map)
  set_property(TARGET libtamis APPEND PROPERTY LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/libtamis.map)
endfunction()

# tamis_install(): `cmake --install` puts the program, the library, its headers and what CMake and
# pkg-config look for.
function(tamis_install)
  install(TARGETS libtamis EXPORT tamisTargets LIBRARY NAMELINK_SKIP COMPONENT runtime)
  install(TARGETS libtamis LIBRARY NAMELINK_ONLY COMPONENT development)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/tamis TYPE INCLUDE COMPONENT development)
  set(package ${CMAKE_INSTALL_LIBDIR}/cmake/tamis)
  install(EXPORT tamisTargets NAMESPACE tamis:: DESTINATION ${package} COMPONENT development)
  configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/tamisConfig.cmake.in
    ${CMAKE_BINARY_DIR}/tamisConfig.cmake INSTALL_DESTINATION ${package})
  write_basic_package_version_file(${CMAKE_BINARY_DIR}/tamisConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/tamisConfig.cmake ${CMAKE_BINARY_DIR}/tamisConfigVersion.cmake
          DESTINATION ${package} COMPONENT development)
  # Relative, so that the installed tree can be moved: LIBDIR may be lib or lib/x86_64-linux-gnu.
  file(RELATIVE_PATH TAMIS_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  configure_file(${CMAKE_SOURCE_DIR}/cmake/tamis.pc.in ${CMAKE_BINARY_DIR}/tamis.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/tamis.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
          COMPONENT development)
  install(FILES ${CMAKE_SOURCE_DIR}/LICENSE ${CMAKE_SOURCE_DIR}/README.md TYPE DOC
          COMPONENT runtime)
  if(TARGET tamis)
    install(TARGETS tamis RUNTIME COMPONENT runtime)
  endif()
endfunction()

# tamis_package(): `cpack` makes a .deb; the libraries it needs are found by dpkg-shlibdeps.
function(tamis_package)
  set(CPACK_GENERATOR DEB)
  set(CPACK_PACKAGE_NAME tamis)
  set(CPACK_PACKAGE_CONTACT "The Tamis maintainers <tamis@localhost>")
  set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Fast, quantized Hugging Face encoders without Python")
  set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
  set(CPACK_STRIP_FILES ON)
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_PACKAGE_SECTION science)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
  # Triton's backend needs libtamis, which is in the package itself.
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_BINARY_DIR})
  set(CPACK_DEBIAN_PACKAGE_HOMEPAGE "")
  include(CPack)
endfunction()
