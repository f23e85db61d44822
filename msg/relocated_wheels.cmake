# For CMAKE_PROJECT_INCLUDE: lets interface packages build against the ROS wheels of PyPI.
# Targets exported by those wheels name include directories of the machine that built them, and
# CMake refuses imported targets whose include directories do not exist. Installed from a
# distribution, every directory exists and this changes nothing.
if(COMMAND drop_missing_include_directories)
  return()
endif()

function(drop_missing_include_directories)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT directories)
      continue()
    endif()
    set(existing)
    foreach(directory IN LISTS directories)
      if(directory MATCHES "\\$<" OR EXISTS "${directory}")
        list(APPEND existing "${directory}")
      endif()
    endforeach()
    set_property(TARGET ${target} PROPERTY INTERFACE_INCLUDE_DIRECTORIES "${existing}")
  endforeach()
endfunction()

cmake_language(DEFER CALL drop_missing_include_directories)
