"""Whose picture a file says that it is, and when that is the same person."""

from datetime import date

import pydicom
import pytest

from cases.intake.identity import FileIdentity, read_identity, same_name, same_record_number


@pytest.mark.parametrize(
    ("in_file", "known"),
    [
        ("Sample^Anna", "Anna Sample"),
        ("SAMPLE^ANNA", "Sample, Anna"),
        ("Sample^Anna^Maria^Dr", "Anna Sample"),
        ("Sample^Annamaria", "Anna Maria Sample"),
        ("Sample^Anna-Maria", "Annamaria Sample"),
        ("MUELLER^JOERG", "Jörg Müller"),
        ("MULLER^JORG", "Jörg Müller"),
        ("Strauss^Eva", "Eva Strauß"),
        ("AASE^SOEREN", "Søren Åse"),
        ("Lukasz^Wisniewski", "Łukasz Wiśniewski"),
        ("Ivanov^Ivan", "Иван Иванов"),
        ("Papadopoulos^Nikos", "Νίκος Παπαδόπουλος"),
        ("Yamada^Taro=山田^太郎=やまだ^たろう", "Taro Yamada"),
        ("Yamada^Taro=山田^太郎", "山田 太郎"),
        ("O'Brien^Pat", "Pat OBrien"),
        ("van der Berg^Jan", "Jan Vanderberg"),
        ("", "Anna Sample"),
        ("ANONYMOUS", "Anna Sample"),
        ("山田^太郎", "Taro Yamada"),
    ],
)
def test_one_person_is_written_in_many_ways(in_file, known):
    assert same_name(in_file, known)


@pytest.mark.parametrize(
    ("in_file", "known"),
    [
        ("Sample^Berta", "Anna Sample"),
        ("Other^Anna", "Anna Sample"),
        ("Anna", "Anna Sample"),
        ("Samples^Anna", "Anna Sample"),
        ("Petrov^Ivan", "Иван Иванов"),
        ("佐藤^太郎", "山田 太郎"),
    ],
)
def test_another_person_is_another(in_file, known):
    assert not same_name(in_file, known)


@pytest.mark.parametrize(("one", "other"), [("N-1001", "n1001"), (" N 1001 ", "N-1001"), ("Ｎ-1001", "N-1001")])
def test_a_record_number_is_the_same_however_it_is_written(one, other):
    assert same_record_number(one, other)


@pytest.mark.parametrize(
    ("one", "other"), [("1001", "01001"), ("N-1001", "N-1002"), ("N-1001^^^NORTH", "N-1001"), ("1001", "N-1001")]
)
def test_leading_zeros_and_an_issuer_make_another_number(one, other):
    assert not same_record_number(one, other)


def header(**values):
    dataset = pydicom.Dataset()
    for name, value in values.items():
        setattr(dataset, name, value)
    return dataset


def test_what_a_file_says_of_its_patient_is_read():
    found = read_identity(
        header(
            PatientID="N-1", IssuerOfPatientID="NORTH", PatientName="A^B", PatientBirthDate="19610412", PatientSex="F"
        )
    )

    assert found == FileIdentity("N-1", "NORTH", "A^B", date(1961, 4, 12), "F")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"PatientBirthDate": "", "PatientSex": ""},
        {"PatientBirthDate": "19999999"},
        {"PatientIdentityRemoved": "YES"},
        {"PatientID": "", "PatientName": "", "PatientSex": "", "PatientIdentityRemoved": "YES"},
    ],
)
def test_a_file_that_names_nobody_has_no_identity(values):
    with pydicom.config.disable_value_validation():
        assert read_identity(header(**values)) is None


@pytest.mark.parametrize("left", [{"PatientID": "N-1"}, {"PatientName": "A^B"}, {"PatientBirthDate": "19610412"}])
def test_what_is_left_in_a_file_whose_identity_was_removed_is_read(left):
    assert read_identity(header(**left, PatientIdentityRemoved="YES")) == read_identity(header(**left)) is not None


def test_an_identity_is_not_spelt_out():
    assert "Sample" not in repr(FileIdentity(name="Sample^Anna"))
